// Whether virtual machines of a block run, whoever started them and whether or not that one still lives.
import { planBlock } from "../plan/plan.ts";
import { processesOfUids } from "../process/enumerate.ts";

/** Those of sandboxes, and what runs as the last of their users: trials, and merges of disk layers. */
export function hasMachines(block: number): boolean {
  return processesOfUids(planBlock(block).vmmUids).length > 0;
}

/** Those of sandboxes alone. */
export function hasSandboxMachines(block: number): boolean {
  const { first, last } = planBlock(block).vmmUids;
  return processesOfUids({ first, last: last - 1 }).length > 0;
}
