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
  /** A running sandbox of another owner. */
  foreign: string;
}

type Fields = Record<string, unknown>;

/** The status without which an operation on a sandbox is a 409, where that is not `running`. */
const NEEDS_PAUSED: readonly string[] = ["resumeSandbox"];

/** The sandbox that valid requests of an operation name, and whether its status allows the operation. */
export function subject({ id }: Operation, { running, stopped }: Fixtures): { id: string; allowed: boolean } {
  if (id === "deleteSandbox") return { id: stopped, allowed: true };
  return { id: running, allowed: !NEEDS_PAUSED.includes(id) };
}

/** A valid body that starts no machine and occupies none for long. */
export function restrained({ id }: Operation, body: Fields): Fields {
  switch (id) {
    case "createSandbox":
      return { ...body, template: "absent" };
    case "execInSandbox":
      return { ...body, timeout_sec: 2 };
    default:
      return body;
  }
}

/** Whether a request without any body starts a machine. */
export function startsMachine({ id }: Operation): boolean {
  return id === "createSandbox";
}
