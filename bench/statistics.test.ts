import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { figure } from "./statistics.ts";

describe("figure()", () => {
  it("takes nearest ranks and leaves its input alone", () => {
    const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
    assert.deepEqual(figure(samples), { median: 50, p95: 95, samples: 100 });
    assert.equal(samples[0], 100);
    assert.deepEqual(figure([7]), { median: 7, p95: 7, samples: 1 });
    assert.throws(() => figure([]), RangeError);
  });
});
