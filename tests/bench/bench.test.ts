import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runWrenn } from "../e2e/platform.ts";

interface Report {
  results: { name: string; platform: { median: number }; raw?: { median: number } }[];
  verdicts: { result: string; number: string; value: number; kept: boolean }[];
}

describe("./wrenn bench", () => {
  it("measures everything beside its raw counterpart; ratios are kept three times over", async () => {
    const { status, stdout, stderr } = await runWrenn([
      "bench",
      "--quick",
      "--check",
      "--slack",
      "3",
      "--json",
    ]);
    assert.equal(status, 0, stderr.slice(-4000));
    const { results, verdicts } = JSON.parse(stdout.toString()) as Report;
    for (const { name, platform, raw } of results) {
      assert.ok(platform.median > 0 || name.startsWith("growth"), name);
      if (raw) assert.ok(raw.median > 0, name);
    }
    assert.deepEqual(verdicts.map(({ number }) => number).sort(), [
      "L1",
      "L2",
      "L3",
      "L4",
      "L5",
      "L6",
      "L7",
      "P1",
      "P4",
      "P5",
      "P7",
      "U1",
      "U2",
    ]);
    process.stdout.write(stderr.slice(stderr.indexOf("median")));
  });
});
