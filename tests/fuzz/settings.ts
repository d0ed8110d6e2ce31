// How much is tried, and from which seed. Same seed, same number of runs: same requests.
import { randomInt } from "node:crypto";

/** Requests of one run, about. More finds more: `WRENN_FUZZ_RUNS=20000`. */
export const RUNS: number = setting("WRENN_FUZZ_RUNS") ?? 300;

/**
 * CI repeats one seed, so that a run that fails there has to do with the change; elsewhere every run tries
 * something new.
 */
export const SEED: number = setting("WRENN_FUZZ_SEED") ?? (process.env["CI"] ? 1 : randomInt(2 ** 31));

/** Settings of one property that gets a share of all runs. */
export function share(part: number): { seed: number; numRuns: number } {
  return { seed: SEED, numRuns: Math.max(3, Math.round(RUNS * part)) };
}

function setting(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,10}$/.test(text)) throw new Error(`${name} must be a whole number, got "${text}"`);
  return Number(text);
}
