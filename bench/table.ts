// The bench as a table for people.
import { type Result, ratio, type Verdict } from "./result.ts";

/** One line per result, one per promise below it. */
export function renderTable(results: readonly Result[], verdicts: readonly Verdict[]): string {
  const rows = [["", "median", "p95", "n", "raw median", "ratio", "promise"]];
  for (const result of results) {
    const { platform, raw, unit } = result;
    const own = verdicts.filter((verdict) => verdict.result === result);
    rows.push([
      `${result.name} [${unit}]`,
      digits(platform.median),
      digits(platform.p95),
      String(platform.samples),
      raw ? digits(raw.median) : "",
      raw ? digits(ratio(result) ?? Number.NaN) : "",
      own.map(describe).join(", "),
    ]);
  }
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    )
    .join("\n");
}

function describe({ promise, kept }: Verdict): string {
  const bound =
    "max" in promise.bound
      ? `<= ${promise.bound.max}${promise.bound.plus === undefined ? "" : ` (+ ${promise.bound.plus})`}`
      : `>= ${promise.bound.min}`;
  return `${promise.number} ${promise.of} ${bound}: ${kept ? "kept" : "BROKEN"}`;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
