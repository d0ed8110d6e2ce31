// Whether the process that wrote something down still runs. Its id alone does not tell: ids come again.
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  pid: number;
  /** Start of the process in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)). */
  start_time: number;
}

export function isAlive({ pid, start_time }: ProcessIdentity): boolean {
  return startTimeOf(pid) === start_time;
}

export function ownIdentity(): ProcessIdentity {
  const start_time = startTimeOf(process.pid);
  if (start_time === undefined) throw new Error("cannot read /proc/self/stat");
  return { pid: process.pid, start_time };
}

function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name is in parentheses and may contain anything; field 3 follows the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch {
    return undefined; // no such process
  }
}
