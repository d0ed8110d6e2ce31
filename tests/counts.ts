// Adding up what the suites report.

export interface Counts {
  passed: number;
  failed: number;
}

export function sum(counts: readonly Counts[]): Counts {
  return counts.reduce(
    (total, each) => ({ passed: total.passed + each.passed, failed: total.failed + each.failed }),
    { passed: 0, failed: 0 },
  );
}

/** What `node:test` counted, as passed or failed: a skipped, cancelled or unfinished test has not passed. */
export function strictCounts(counted: { tests: number; passed: number }): Counts {
  return { passed: counted.passed, failed: counted.tests - counted.passed };
}
