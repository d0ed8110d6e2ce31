import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WorkingSets } from "./working-sets.ts";

describe("WorkingSets", () => {
  it("has what was waited for last first, each page once", () => {
    const sets = new WorkingSets();
    assert.deepEqual(sets.of("a", 1000), []);
    sets.learn("a", [
      { start: 32, count: 16 },
      { start: 0, count: 16 },
    ]);
    sets.learn("a", [{ start: 40, count: 16 }]);
    assert.deepEqual(sets.of("a", 1000), [
      { start: 40, count: 16 },
      { start: 32, count: 8 },
      { start: 0, count: 16 },
    ]);
    assert.deepEqual(sets.of("a", 50), [
      { start: 32, count: 8 },
      { start: 0, count: 16 },
    ]);
    assert.deepEqual(sets.of("b", 1000), []);
  });

  it("is bounded, in pages and in origins", () => {
    const sets = new WorkingSets();
    sets.learn("a", [{ start: 0, count: 10_000 }]);
    assert.deepEqual(sets.of("a", 100_000), [{ start: 0, count: 4096 }]);
    for (let i = 0; i < 64; i++) sets.learn(`other ${i}`, [{ start: 0, count: 1 }]);
    assert.deepEqual(sets.of("a", 100_000), []);
    assert.equal(sets.of("other 0", 10).length, 1);
  });
});
