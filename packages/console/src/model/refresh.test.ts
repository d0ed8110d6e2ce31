import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextDelay } from "./refresh.ts";

describe("nextDelay()", () => {
  const calm = { isMoving: false, failures: 0, tookMs: 5 };

  it("is short while something moves", () => {
    assert.equal(nextDelay({ ...calm, isMoving: true }), 500);
    assert.equal(nextDelay(calm), 2000);
  });

  it("grows with failures, whatever moves, and not for ever", () => {
    const delays = [1, 2, 3, 9, 99].map((failures) => nextDelay({ ...calm, isMoving: true, failures }));
    assert.deepEqual(delays, [4000, 8000, 16_000, 30_000, 30_000]);
  });

  it("leaves a slow service four fifths of its time", () => {
    assert.equal(nextDelay({ ...calm, tookMs: 2000 }), 8000);
    assert.equal(nextDelay({ ...calm, isMoving: true, tookMs: 300 }), 1200);
    assert.equal(nextDelay({ ...calm, tookMs: 100_000 }), 30_000);
  });
});
