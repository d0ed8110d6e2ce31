// Processes that this one has started.
import { readdirSync, readFileSync } from "node:fs";

/** Ids of the living ones; what has ended and was not waited for does not count. */
export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [state, ppid] = stat(pid);
      return Number(ppid) === parent && state !== "Z";
    })
    .map(Number);
}

/** Fields from the third on, see proc_pid_stat(5); the second is a name in brackets, which may have anything in it. */
function stat(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
