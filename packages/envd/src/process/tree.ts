// Signals to a process and to all that it started.
import { groupMembers, killGroup } from "./control-groups.ts";
import { listProcesses, treeOf } from "./descendants.ts";

/** Rounds in which processes that fork while they are being stopped are caught. */
const MAX_ROUNDS = 16;

/** A started process: leader of its process group, and alone with its descendants in `cgroup` if there is one. */
export interface Tree {
  pid: number;
  cgroup: string | undefined;
}

/** Signals the process group and everything else that the process started. */
export function signalTree(tree: Tree, signal: NodeJS.Signals): void {
  if (signal === "SIGKILL") {
    killTree(tree);
    return;
  }
  for (const pid of membersOf(tree)) sendSignal(pid, signal);
}

/** Kills all of it, also what has moved to another session. */
export function killTree(tree: Tree): void {
  if (tree.cgroup !== undefined) {
    sendSignal(-tree.pid, "SIGKILL");
    killGroup(tree.cgroup);
    return;
  }
  // Stop first, kill then: a child of a process that dies is re-parented and could not be found any more.
  const stopped = new Set<number>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const fresh = membersOf(tree).filter((pid) => !stopped.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      sendSignal(pid, "SIGSTOP");
      stopped.add(pid);
    }
  }
  sendSignal(-tree.pid, "SIGKILL");
  for (const pid of stopped) sendSignal(pid, "SIGKILL");
}

/** Sends a signal; one to a process that has just ended is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it has ended.
  }
}

function membersOf({ pid, cgroup }: Tree): number[] {
  return cgroup === undefined ? treeOf(pid, listProcesses()) : groupMembers(cgroup);
}
