// One line of the bench: a figure of the platform, its raw counterpart from the same run, and what is promised.
import type { Figure } from "./statistics.ts";

export interface Result {
  name: string;
  unit: "ms" | "MiB/s" | "MiB" | "k/s" | "%" | "x";
  platform: Figure;
  /** The same work without the platform, interleaved with it; undefined where there is none. */
  raw?: Figure;
  /** What `platform` is compared by: `ratio` of the medians, or its own `median`, `p95`. */
  promises: Bound[];
}

/** A bound from the specification. */
export interface Bound {
  /** Number in docs/specification.md. */
  number: string;
  of: "ratio" | "median" | "p95";
  /** At most, or at least. A ratio's `plus`, in the result's unit, is taken off the platform's figure first. */
  bound: { max: number; plus?: number } | { min: number };
}

export interface Verdict {
  result: Result;
  promise: Bound;
  value: number;
  kept: boolean;
}

/** Median of the platform, less what it is granted, over median of the raw counterpart. */
export function ratio({ platform, raw }: Result, plus = 0): number | undefined {
  return raw && Math.max(0, platform.median - plus) / raw.median;
}

/**
 * Each promise against what was measured. `slack` loosens ratios only: 3 makes `max 1.3` into `max 3.9` and `min 0.75`
 * into `min 0.25`, and `plus` likewise; absolute bounds are left out when it is not 1, for shared machines say nothing about them.
 */
export function verdicts(results: readonly Result[], slack: number): Verdict[] {
  return results.flatMap((result) =>
    result.promises.flatMap((promise) => {
      if (promise.of !== "ratio" && slack !== 1) return [];
      const plus = "plus" in promise.bound ? promise.bound.plus : 0;
      const value = promise.of === "ratio" ? ratio(result, (plus ?? 0) * slack) : result.platform[promise.of];
      if (value === undefined) throw new RangeError(`${result.name} promises a ratio to nothing`);
      const kept =
        "max" in promise.bound ? value <= promise.bound.max * slack : value >= promise.bound.min / slack;
      return [{ result, promise, value, kept }];
    }),
  );
}
