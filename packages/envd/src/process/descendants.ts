// Finding what a process started, from /proc, where there is no control group to ask.
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessStat {
  pid: number;
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
}

/**
 * Reads the beginning of a `/proc/PID/stat` (proc(5)). The command's name stands in parentheses and may hold
 * spaces and parentheses itself, so the fields are counted from the last one.
 */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open === -1 || close < open) return undefined;
  const pid = Number.parseInt(text, 10);
  const [state = "", ...numbers] = text.slice(close + 2).split(" ", 4);
  const [ppid = Number.NaN, pgrp = Number.NaN, session = Number.NaN] = numbers.map(Number);
  if (![pid, ppid, pgrp, session].every(Number.isInteger)) return undefined;
  return { pid, state, ppid, pgrp, session };
}

/** All of the processes that `root` leads or that descend from such a one, `root` included, zombies not. */
export function treeOf(root: number, processes: readonly ProcessStat[]): number[] {
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const { pid, ppid, pgrp, session } of processes) {
      if (tree.has(ppid) || pgrp === root || session === root) tree.add(pid);
    }
  }
  const alive = new Set(
    processes.filter(({ state }) => state !== "Z" && state !== "X").map(({ pid }) => pid),
  );
  return [...tree].filter((pid) => alive.has(pid));
}

/** Every process that can be seen. */
export function listProcesses(): ProcessStat[] {
  const processes: ProcessStat[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = parseStat(readFileSync(`/proc/${entry}/stat`, "utf8"));
      if (stat !== undefined) processes.push(stat);
    } catch {
      // Ended while we looked.
    }
  }
  return processes;
}
