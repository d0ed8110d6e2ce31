// What requests may refer to, and how they are held back so that a run stays cheap and its fixtures stay whole.
import type { Operation } from "./document.ts";

export interface Fixtures {
  /** Key of an ordinary owner, who sends all requests. */
  key: string;
  /** A key of the same owner that was revoked. */
  revokedKey: string;
  /** Sandboxes of that owner: one that runs, one that was deleted. */
  running: string;
  stopped: string;
  /** One of that owner's that is paused and resumed: its status is whatever came last. */
  cycled: string;
  /** A running sandbox of another owner. */
  foreign: string;
}

type Fields = Record<string, unknown>;

/** What would leave the other requests without a running sandbox. */
const CYCLES: readonly string[] = ["pauseSandbox", "resumeSandbox"];

/** Copies that do not fit into the owner's quota of 64 beside what runs already. */
const TOO_MANY_FORKS = 64;

/** The sandbox that valid requests of an operation name, and whether its status may be the wrong one. */
export function subject({ id }: Operation, fixtures: Fixtures): { id: string; uncertain: boolean } {
  if (id === "deleteSandbox") return { id: fixtures.stopped, uncertain: false };
  if (CYCLES.includes(id)) return { id: fixtures.cycled, uncertain: true };
  return { id: fixtures.running, uncertain: false };
}

/** A valid body that starts no machine and occupies none for long. */
export function restrained({ id }: Operation, body: Fields): Fields {
  switch (id) {
    case "createSandbox":
      return { ...body, template: "absent" };
    case "execInSandbox":
      return { ...body, timeout_sec: 2 };
    case "forkSandbox":
      return { ...body, count: TOO_MANY_FORKS };
    case "restoreSandbox":
      return { ...body, snapshot: "absent" };
    case "createSnapshot":
      return { ...body, leave: "running" };
    default:
      return body;
  }
}

/** Whether a request without any body starts a machine. */
export function startsMachine({ id }: Operation): boolean {
  return id === "createSandbox" || id === "forkSandbox";
}
