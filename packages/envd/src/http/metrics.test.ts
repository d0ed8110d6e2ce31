import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuUsedPercent, parseCpuTimes, parseMemory } from "./metrics.ts";

test("parseCpuTimes() sums the first line", () => {
  const stat = "cpu  10 1 5 100 20 0 2 0 3 4\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n";
  assert.deepEqual(parseCpuTimes(stat), { total: 138, idle: 120 });
});

test("cpuUsedPercent() is the busy share of the time between", () => {
  assert.equal(cpuUsedPercent({ total: 100, idle: 50 }, { total: 200, idle: 125 }), 25);
  assert.equal(cpuUsedPercent({ total: 100, idle: 50 }, { total: 100, idle: 50 }), 0);
});

test("parseMemory() counts what programs could still have as free", () => {
  const meminfo =
    "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     400 kB\nCached:           250 kB\nSwapCached: 7 kB\n";
  assert.deepEqual(parseMemory(meminfo), { total: 1_024_000, used: 614_400, cache: 256_000 });
});
