// How much of a guest's memory its VMM holds, as the kernel counts it.
import { readFileSync } from "node:fs";

/** Resident bytes of the one mapping that is as large as the guest's memory. Throws when there is none. */
export function residentGuestBytes(pid: number, memoryBytes: number): number {
  return residentOf(readFileSync(`/proc/${pid}/smaps`, "latin1"), memoryBytes);
}

/** The same from the text of `/proc/PID/smaps`, proc_pid_smaps(5). */
export function residentOf(smaps: string, memoryBytes: number): number {
  const size = new RegExp(`^Size: +${memoryBytes / 1024} kB$`, "m");
  const mappings = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((text) => size.test(text));
  const [only] = mappings;
  const resident = only && /^Rss: +(\d+) kB$/m.exec(only)?.[1];
  if (resident === undefined || mappings.length > 1)
    throw new Error(`${mappings.length} mappings are of ${memoryBytes} bytes`);
  return Number(resident) * 1024;
}
