// Whether virtual machines of a block run, whoever started them and whether or not that one still lives.
import { planBlock } from "../plan/plan.ts";
import { processesOfUids } from "../process/enumerate.ts";

export function hasMachines(block: number): boolean {
  return processesOfUids(planBlock(block).vmmUids).length > 0;
}
