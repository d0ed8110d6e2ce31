// Children go before the agent when memory runs out.
import { readFileSync, writeFileSync } from "node:fs";

const OOM_SCORE_ADJ = "100";

/**
 * Spawns a child that goes before the agent when memory is short. It inherits the score: set afterwards, a quick one would
 * run without it. A developer's container may not allow it; the child then has the agent's own.
 */
export function expendable<T>(spawnChild: () => T): T {
  const own = setScore(OOM_SCORE_ADJ);
  try {
    return spawnChild();
  } finally {
    if (own !== undefined) setScore(own);
  }
}

/** Sets the agent's own score; returns the one before, or undefined when it cannot be changed. */
function setScore(score: string): string | undefined {
  try {
    const before = readFileSync("/proc/self/oom_score_adj", "utf8").trim();
    writeFileSync("/proc/self/oom_score_adj", score);
    return before;
  } catch {
    return undefined;
  }
}
