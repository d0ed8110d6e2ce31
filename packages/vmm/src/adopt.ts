// Taking over a machine that this process did not start.
import { setTimeout as delay } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import { type Cgroup, isAlive, type ProcessIdentity, runsAs } from "@wrenn/linux";
import type { MachineExit, MachineSpec } from "./vmm.ts";

/** How often a process that is nobody's child is looked at, when nothing tells sooner, `ms`. */
const LOOK_EVERY_MS = 100;

/** Throws `not_found` unless the process is this machine's: alive, under its user, in its control group. */
export function assertIsMachine(spec: MachineSpec, process: ProcessIdentity, cgroup: Cgroup): void {
  const why = !isAlive(process)
    ? "it has ended"
    : !cgroup.members().includes(process.pid)
      ? `it is not in cgroup ${spec.cgroup}`
      : !runsAs(process, spec.uid)
        ? `it does not run as user ${spec.uid}`
        : undefined;
  if (why === undefined) return;
  throw new WrennError("not_found", `process ${process.pid} is not the machine of ${spec.id}: ${why}`);
}

/**
 * Resolves when the process has ended; with what status, only its parent would be told. `onHint` registers what tells that
 * now is a good time to look.
 */
export async function exitOf(
  process: ProcessIdentity,
  onHint?: (look: () => void) => void,
): Promise<MachineExit> {
  let look = new AbortController();
  onHint?.(() => look.abort());
  while (isAlive(process)) {
    look = new AbortController();
    await delay(LOOK_EVERY_MS, undefined, { signal: look.signal }).catch(() => {});
  }
  return { status: null };
}
