import assert from "node:assert/strict";
import { it } from "node:test";
import { ago, bytes, dayAndTime, left, mebibytes, plural, seconds, timeOfDay, took } from "./format.ts";

const cases = <T>(format: (value: T) => string, table: readonly (readonly [T, string])[]) => {
  for (const [value, expected] of table) assert.equal(format(value), expected);
};

it("bytes() in binary units, three digits", () => {
  cases(bytes, [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "0.98 KiB"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [412_090_368, "393 MiB"],
    [5 * 2 ** 40, "5 TiB"],
    [5000 * 2 ** 40, "5000 TiB"],
  ]);
  cases(mebibytes, [
    [512, "512 MiB"],
    [10240, "10 GiB"],
  ]);
});

it("took() in the unit that fits, without jumping back at the borders", () => {
  cases(took, [
    [0.123, "0.12 ms"],
    [7.3, "7.3 ms"],
    [99.96, "100 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [4210, "4.21 s"],
    [59_990, "60 s"],
    [59_999, "1 min 0 s"],
    [123_400, "2 min 3 s"],
  ]);
});

it("left() counts down to nothing and no further", () => {
  cases(left, [
    [42_000, "0:42"],
    [41_001, "0:42"],
    [300_000, "5:00"],
    [3_900_000, "1:05:00"],
    [183_600_000, "2 d 3 h"],
    [0, "0:00"],
    [-5000, "0:00"],
  ]);
});

it("ago(), seconds(), plural()", () => {
  cases(ago, [
    [-500, "now"],
    [1999, "now"],
    [42_000, "42 s ago"],
    [185_000, "3 min ago"],
    [7_200_000, "2 h ago"],
    [200_000_000, "2 d ago"],
  ]);
  cases(seconds, [
    [0, "none"],
    [90, "90 s"],
    [300, "5 min"],
    [7200, "2 h"],
  ]);
  assert.equal(plural(1, "vCPU"), "1 vCPU");
  assert.equal(plural(2, "is", "are"), "2 are");
});

it("times of day in the reader's zone", () => {
  const date = new Date(2026, 0, 2, 3, 4, 5, 6);
  assert.equal(timeOfDay(date), "03:04:05.006");
  assert.equal(dayAndTime(date), "2026-01-02 03:04:05");
});
