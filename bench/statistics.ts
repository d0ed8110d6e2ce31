// Figures from samples.

export interface Figure {
  median: number;
  p95: number;
  samples: number;
}

/** Median and 95th percentile (nearest rank). Throws when there are no samples: a figure of nothing is none. */
export function figure(samples: readonly number[]): Figure {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { median: at(0.5), p95: at(0.95), samples: samples.length };
}
