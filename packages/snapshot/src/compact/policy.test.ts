import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type BuildUse, buildsToRewrite, type CompactPolicy, layersToMerge } from "./policy.ts";

const policy: CompactPolicy = { maxBuilds: 6, maxDeadBytes: 100 * 4096, maxLayers: 6 };
const use = (id: string, live: number, stored = live): BuildUse => ({ id, live, stored });
const arbitraryUses = fc
  .array(fc.tuple(fc.nat(500), fc.nat(500)), { maxLength: 20 })
  .map((pairs) => pairs.map(([live, dead], i) => use(`${i}`, live, live + dead)));

describe("buildsToRewrite()", () => {
  it("leaves few builds alone, and many small ones not", () => {
    const few = [1, 2, 4, 8, 16, 32].map((n) => use(`${n}`, n));
    assert.deepEqual(buildsToRewrite(few, policy), []);
    assert.deepEqual(buildsToRewrite([...few, use("64", 64)], policy), ["1", "2"]);
    assert.deepEqual(
      buildsToRewrite(
        [use("1", 1), use("3", 3), use("2", 2), use("9", 9), use("20", 20), use("50", 50), use("99", 99)],
        policy,
      ),
      ["1", "3", "2"],
    );
  });

  it("rewrites what is kept for little, as soon as that is more than what is used", () => {
    assert.deepEqual(buildsToRewrite([use("a", 10, 110), use("b", 50)], policy), []);
    assert.deepEqual(buildsToRewrite([use("a", 10, 111), use("b", 50)], policy), ["a"]);
    assert.deepEqual(buildsToRewrite([use("a", 10, 111), use("b", 500)], policy), []);
  });

  it("always ends within its bounds", () => {
    fc.assert(
      fc.property(arbitraryUses, (uses) => {
        const rewritten = new Set(buildsToRewrite(uses, policy));
        const left = uses.filter(({ id }) => !rewritten.has(id));
        assert.ok(left.length + Math.min(rewritten.size, 1) <= policy.maxBuilds);
        const dead = left.reduce((sum, { live, stored }) => sum + stored - live, 0);
        const live = uses.reduce((sum, build) => sum + build.live, 0);
        assert.ok(dead <= Math.max(100, live));
      }),
    );
  });

  it("copies each page a few times only, over a thousand generations", () => {
    let uses: BuildUse[] = [];
    let copied = 0;
    for (let generation = 0; generation < 1000; generation++) {
      uses.push(use(`${generation}`, 1));
      const rewritten = new Set(buildsToRewrite(uses, policy));
      const gone = uses.filter(({ id }) => rewritten.has(id));
      const live = gone.reduce((sum, build) => sum + build.live, 0);
      copied += live;
      uses = uses.filter(({ id }) => !rewritten.has(id));
      if (live > 0) uses.push(use(`${generation}+`, live));
      assert.ok(uses.length <= policy.maxBuilds);
    }
    assert.ok(copied > 1000 && copied < 8_000, `${copied} pages were copied`);
  });
});

describe("layersToMerge()", () => {
  it("leaves what is within the bound", () => {
    assert.equal(layersToMerge([], policy), 0);
    assert.equal(layersToMerge([1, 1, 1, 1, 1, 1], policy), 0);
  });

  it("merges the upper ones, and what is below them while it is no larger", () => {
    assert.equal(layersToMerge([100, 90, 1, 1, 1, 1, 1], policy), 5);
    assert.equal(layersToMerge([1, 1, 1, 1, 1, 1, 1], policy), 7);
    assert.equal(layersToMerge([100, 2, 1, 1, 1, 1, 1], policy), 6);
  });

  it("always ends within the bound", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 7, maxLength: 40 }), (sizes) => {
        const count = layersToMerge(sizes, policy);
        assert.ok(count >= 2 && sizes.length - count + 1 <= 6);
      }),
    );
  });
});
