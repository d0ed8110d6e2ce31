import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseMetrics } from "./metrics.ts";

const TOLD = {
  ts: 1,
  cpu_count: 2,
  cpu_used_pct: 12.5,
  mem_total: 512,
  mem_used: 100,
  mem_cache: 50,
  disk_total: 1000,
  disk_used: 10,
};

test("figures are read", () => {
  assert.deepEqual(parseMetrics(JSON.stringify(TOLD)), {
    cpus: 2,
    cpuUsedPct: 12.5,
    memTotal: 512,
    memUsed: 100,
    memCache: 50,
    diskTotal: 1000,
    diskUsed: 10,
  });
});

test("whatever a guest says, figures come of it that a message can carry, or guest_unreachable", () => {
  const value = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.constant(null), fc.constant(1e300));
  const fields = Object.fromEntries(Object.keys(TOLD).map((name) => [name, fc.option(value)]));
  const document = fc.oneof(
    fc.record(fields).map((given) => JSON.stringify(given)),
    fc.json(),
    fc.string(),
  );
  fc.assert(
    fc.property(document, (text) => {
      try {
        const { cpuUsedPct, ...whole } = parseMetrics(text);
        assert.ok(cpuUsedPct >= 0 && cpuUsedPct <= 100);
        for (const number of Object.values(whole)) assert.ok(BigInt(number) < 2n ** 63n);
      } catch (reason) {
        assert.equal((reason as { code: string }).code, "guest_unreachable");
      }
    }),
  );
});
