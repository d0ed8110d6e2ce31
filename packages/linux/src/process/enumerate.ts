// Finding processes by what they are, not by who started them.
import { readdirSync } from "node:fs";
import { effectiveUid, type ProcessIdentity, processIdentity } from "./identity.ts";

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
