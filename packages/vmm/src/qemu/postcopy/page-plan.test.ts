import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PagePlan, pagesWithContent } from "./page-plan.ts";
import { PatternPages } from "./test-receiver.ts";

const numbers = (pieces: { start: number; count: number }[]) =>
  pieces.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i));

describe("PagePlan", () => {
  it("takes what is waited for before its neighbours, and those before the rest", () => {
    const plan = new PagePlan(new PatternPages(100, [], [{ start: 90, count: 2 }]));
    plan.wait({ start: 5, count: 1 });
    plan.wait({ start: 70, count: 2 });
    assert.deepEqual(numbers(plan.take(3, true)), [5, 70, 71]);
    assert.deepEqual(numbers(plan.take(12, true)), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1]);
    const later = numbers(plan.take(19, true));
    assert.deepEqual(later, [
      2,
      3,
      4,
      ...Array.from({ length: 8 }, (_, i) => 72 + i),
      64,
      65,
      66,
      67,
      68,
      69,
      90,
      91,
    ]);
    assert.deepEqual(numbers(plan.take(3, true)), [16, 17, 18]);
  });

  it("leaves out zeros that nobody asks for", () => {
    const plan = new PagePlan(new PatternPages(10, [0, 1, 2, 5, 9]));
    assert.deepEqual(plan.take(10, true), [
      { start: 3, count: 2, zero: false },
      { start: 6, count: 3, zero: false },
    ]);
    assert.equal(plan.loaded, 5);
    assert.deepEqual(plan.take(10, true), []);
    plan.wait({ start: 9, count: 1 });
    assert.deepEqual(plan.take(1, true), [{ start: 9, count: 1, zero: true }]);
  });

  it("gives nothing unasked until it is told to", () => {
    const plan = new PagePlan(new PatternPages(10));
    assert.deepEqual(plan.take(10, false), []);
    assert.equal(numbers(plan.take(10, true)).length, 10);
  });

  it("gives each page once, in pieces of one kind, never more than asked for", () => {
    const steps = fc.array(
      fc.record({
        wait: fc.nat(149),
        length: fc.integer({ min: 1, max: 20 }),
        limit: fc.integer({ min: 1, max: 40 }),
        all: fc.boolean(),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.array(fc.nat(149)), steps, (pages, zero, list) => {
        const memory = new PatternPages(pages, zero);
        const plan = new PagePlan(memory);
        const given = new Set<number>();
        const take = (limit: number, all: boolean) => {
          const pieces = plan.take(limit, all);
          assert.ok(numbers(pieces).length <= limit);
          for (const piece of pieces) {
            for (const page of numbers([piece])) {
              assert.ok(!given.has(page), `page ${page} twice`);
              given.add(page);
              assert.equal(memory.run(page, 1).zero, piece.zero);
            }
          }
          return pieces.length;
        };
        for (const { wait, length, limit, all } of list) {
          const start = wait % pages;
          const count = Math.min(length, pages - start);
          plan.wait({ start, count });
          take(limit, all);
          while (take(1000, false) > 0);
          for (let page = start; page < start + count; page++)
            assert.ok(given.has(page), `page ${page} came`);
        }
        while (take(7, true) > 0);
        for (let page = 0; page < pages; page++) assert.ok(given.has(page) || memory.run(page, 1).zero);
        assert.equal(plan.loaded, pagesWithContent(memory));
      }),
    );
  });

  it("refuses pages that are not there, and a flood", () => {
    const plan = new PagePlan(new PatternPages(10_000));
    for (const range of [
      { start: -1, count: 1 },
      { start: 9_999, count: 2 },
      { start: 1, count: 0 },
      { start: Number.NaN, count: 1 },
    ])
      assert.throws(() => plan.wait(range), { code: "internal" });
    assert.throws(() => {
      for (let page = 0; page < 10_000; page++) plan.wait({ start: page, count: 1 });
    }, /more than 4096/);
  });

  it("keeps a page that is asked for again and again once, and asks anew for what lies beside it", () => {
    const plan = new PagePlan(new PatternPages(100));
    for (let i = 0; i < 10_000; i++) plan.wait({ start: 5, count: 2 });
    assert.deepEqual(numbers(plan.take(1, false)), [5]);
    for (let i = 0; i < 10_000; i++) plan.wait({ start: 5 + (i % 2), count: 1 });
    plan.wait({ start: 6, count: 2 });
    for (let i = 0; i < 10_000; i++) plan.wait({ start: 5, count: 3 });
    assert.deepEqual(plan.touched, [
      { start: 0, count: 16 },
      { start: 0, count: 16 },
    ]);
    assert.deepEqual(numbers(plan.take(2, false)), [6, 7]);
    assert.deepEqual(numbers(plan.take(100, false)), [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4]);
    assert.deepEqual(plan.take(100, false), []);
  });

  it("remembers no more than a working set", () => {
    const plan = new PagePlan(new PatternPages(100_000));
    for (let page = 0; page < 100_000; page += 16) {
      plan.wait({ start: page, count: 1 });
      plan.take(100, false);
    }
    assert.equal(
      plan.touched.reduce((sum, { count }) => sum + count, 0),
      4096,
    );
  });
});
