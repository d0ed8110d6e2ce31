// Which files run side by side, and which have the machine to themselves.
import { CHECK, type Suite } from "./suites.ts";

/** Suites that run together: all their files are one queue. */
export interface Stage {
  suites: Suite[];
  /** How many of the files run at a time. */
  concurrency: number;
}

/** Files that run at a time where they may: a guest is one busy thread, and small machines have two processors. */
export const SIDE_BY_SIDE = 2;

/**
 * The stages of a run, one after the other and in the order of the suites. Suites that may have company are one stage,
 * where the first of them stands; `check`, which runs no files, and a suite that is alone are one each.
 */
export function stagesOf(suites: readonly Suite[]): Stage[] {
  const stages: Stage[] = [];
  let shared: Stage | undefined;
  for (const suite of suites) {
    if (suite.name === CHECK || suite.alone) stages.push({ suites: [suite], concurrency: 1 });
    else if (shared) shared.suites.push(suite);
    else {
      shared = { suites: [suite], concurrency: SIDE_BY_SIDE };
      stages.push(shared);
    }
  }
  return stages;
}
