import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_TOUCHED_RANGES, Tally } from "./tally.ts";

describe("Tally", () => {
  it("is seen by whoever has the memory", () => {
    const written = new Tally();
    const seen = new Tally(written.memory);
    written.add("faults", 3);
    written.add("copied", 48);
    written.add("copied", 2);
    written.add("removed", 1);
    assert.deepEqual(seen.counts(), { faults: 3, copied: 50, zeroed: 0, prefetched: 0, removed: 1 });
  });

  it("joins what follows, keeps the order, and stops at its bound", () => {
    const tally = new Tally();
    tally.touch(10, 2);
    tally.touch(12, 3);
    tally.touch(0, 1);
    tally.touch(2, 1);
    const first = [
      { start: 10, count: 5 },
      { start: 0, count: 1 },
      { start: 2, count: 1 },
    ];
    assert.deepEqual(tally.touched(), first);
    for (let i = 0; i < MAX_TOUCHED_RANGES; i++) tally.touch(100 + 2 * i, 1);
    assert.equal(tally.touched().length, MAX_TOUCHED_RANGES);
    assert.deepEqual(tally.touched().slice(0, 3), first);
  });

  it("tells one read from the next", () => {
    const tally = new Tally();
    assert.equal(tally.currentRead(), undefined);
    tally.beginRead();
    const first = tally.currentRead();
    assert.equal(tally.currentRead(), first);
    tally.endRead();
    assert.equal(tally.currentRead(), undefined);
    tally.beginRead();
    assert.notEqual(tally.currentRead(), first);
  });
});
