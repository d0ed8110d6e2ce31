import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PageRange } from "@wrenn/core";
import { WorkingSets } from "./working-sets.ts";

/** Records in memory; how often they were written. */
class Records {
  readonly sets = new Map<string, readonly PageRange[]>();
  writes = 0;

  async workingSet(origin: string): Promise<readonly PageRange[]> {
    return this.sets.get(origin) ?? [];
  }

  async recordWorkingSet(origin: string, set: readonly PageRange[]): Promise<void> {
    if (origin === "gone") throw new Error("there is no such snapshot");
    this.writes += 1;
    this.sets.set(origin, set);
  }
}

describe("WorkingSets", () => {
  it("has what was waited for last first, each page once", async () => {
    const sets = new WorkingSets(new Records());
    assert.deepEqual(await sets.of("a", 1000), []);
    await sets.learn("a", [
      { start: 32, count: 16 },
      { start: 0, count: 16 },
    ]);
    await sets.learn("a", [{ start: 40, count: 16 }]);
    assert.deepEqual(await sets.of("a", 1000), [
      { start: 40, count: 16 },
      { start: 32, count: 8 },
      { start: 0, count: 16 },
    ]);
    assert.deepEqual(await sets.of("a", 50), [
      { start: 32, count: 8 },
      { start: 0, count: 16 },
    ]);
    assert.deepEqual(await sets.of("b", 1000), []);
  });

  it("is bounded, in pages and in origins", async () => {
    const records = new Records();
    const sets = new WorkingSets(records);
    await sets.learn("a", [{ start: 0, count: 10_000 }]);
    assert.deepEqual(await sets.of("a", 100_000), [{ start: 0, count: 4096 }]);
    for (let i = 0; i < 64; i++) await sets.learn(`other ${i}`, [{ start: 0, count: 1 }]);
    assert.deepEqual(records.sets.get("a"), [{ start: 0, count: 4096 }]);
    records.sets.clear();
    assert.deepEqual(await sets.of("a", 100_000), []);
    assert.equal((await sets.of("other 1", 10)).length, 1);
  });

  it("outlasts its process, and is known even where it cannot be recorded", async () => {
    const records = new Records();
    const sets = new WorkingSets(records);
    await sets.learn("a", [{ start: 5, count: 2 }]);
    await sets.learn("a", []);
    assert.equal(records.writes, 1);
    const later = new WorkingSets(records);
    assert.deepEqual(await later.of("a", 100), [{ start: 5, count: 2 }]);
    await later.learn("a", [{ start: 1, count: 1 }]);
    assert.deepEqual(records.sets.get("a"), [
      { start: 1, count: 1 },
      { start: 5, count: 2 },
    ]);
    await assert.rejects(sets.learn("gone", [{ start: 0, count: 1 }]), /no such snapshot/);
    assert.deepEqual(await sets.of("gone", 100), [{ start: 0, count: 1 }]);
  });
});
