// Who a process is: its id together with its start time, because ids are reused.
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks between the boot of the machine and the start of the process. */
  startTime: number;
}

interface Stat extends ProcessIdentity {
  /** Time on processors so far, all threads, `ms`. */
  cpuMs: number;
  /** One letter; `Z` and `X` are processes that have ended. */
  state: string;
}

/** The process that has this id now, or undefined when there is none (a zombie counts as none). */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTime: stat.startTime };
}

/** Whether that very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return readStat(identity.pid)?.startTime === identity.startTime;
}

/** Whether that very process still runs, and as this user (its effective one). */
export function runsAs(identity: ProcessIdentity, uid: number): boolean {
  return userOf(identity) === uid;
}

/** The effective user of that very process; undefined when it no longer runs. */
export function userOf(identity: ProcessIdentity): number | undefined {
  const uid = effectiveUid(identity.pid);
  return isAlive(identity) ? uid : undefined;
}

/** From `/proc/PID/status`: the owner of the directory itself is root for a process that is not dumpable. Undefined when it has gone. */
export function effectiveUid(pid: number): number | undefined {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return undefined;
  }
  const field = /^Uid:\t\d+\t(\d+)/m.exec(status)?.[1];
  return field === undefined ? undefined : Number(field);
}

/** Time that a process has had on processors so far, `ms`; undefined when it no longer runs. */
export function cpuTimeOf(identity: ProcessIdentity): number | undefined {
  const stat = readStat(identity.pid);
  return stat?.startTime === identity.startTime ? stat.cpuMs : undefined;
}

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined; // ENOENT or, when it ends while being read, ESRCH
  }
  const stat = parseStat(text);
  return stat.state === "Z" || stat.state === "X" ? undefined : stat;
}

/** `ms`; USER_HZ, which Linux shows as 100 on every architecture that this runs on. */
const TICK_MS = 10;

/**
 * Reads `/proc/PID/stat`, proc_pid_stat(5). The second field is the program's name in parentheses and
 * may itself hold spaces and parentheses, so fields are counted from the last one.
 */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? "",
    startTime: Number(fields[19]),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
  };
}
