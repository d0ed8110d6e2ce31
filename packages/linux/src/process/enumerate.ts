// Finding processes by what they are, not by who started them.
import { readdirSync, readFileSync } from "node:fs";
import { type ProcessIdentity, processIdentity } from "./identity.ts";

/** The identities behind process ids; those that have ended are left out. */
export function identitiesOf(pids: Iterable<number>): ProcessIdentity[] {
  return [...pids].flatMap((pid) => processIdentity(pid) ?? []);
}

/** Every process on the machine whose effective uid lies in the range, both ends included. */
export function processesOfUids(range: { first: number; last: number }): ProcessIdentity[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return identitiesOf(
    pids.filter((pid) => {
      const uid = effectiveUid(pid);
      return uid !== undefined && uid >= range.first && uid <= range.last;
    }),
  );
}

/** From `/proc/PID/status`: the owner of the directory itself is root for a process that is not dumpable. */
function effectiveUid(pid: number): number | undefined {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return undefined;
  }
  const field = /^Uid:\t\d+\t(\d+)/m.exec(status)?.[1];
  return field === undefined ? undefined : Number(field);
}
