import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { Prefetch } from "./prefetch.ts";

const UNBOUNDED = Number.MAX_SAFE_INTEGER;

describe("Prefetch", () => {
  it("gives every wanted page once, in order, never more than asked for", () => {
    const lengths = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 40 })), { maxLength: 10 });
    fc.assert(
      fc.property(
        lengths,
        fc.uniqueArray(fc.nat(300)),
        fc.integer({ min: 1, max: 16 }),
        (rows, there, limit) => {
          let at = 0;
          const ranges = rows.map(([gap, count]) => {
            const start = at + gap;
            at = start + count;
            return { start, count };
          });
          const present = new Set(there);
          const expected = ranges
            .flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i))
            .filter((page) => !present.has(page));
          const prefetch = new Prefetch(ranges, UNBOUNDED);
          const got: number[] = [];
          for (;;) {
            const next = prefetch.next(limit, (page) => !present.has(page));
            if (!next) break;
            assert.ok(next.count >= 1 && next.count <= limit);
            // Half of it only, as when the kernel stops in the middle.
            const done = Math.ceil(next.count / 2);
            for (let page = next.start; page < next.start + done; page++) {
              got.push(page);
              present.add(page);
            }
            prefetch.done(done);
          }
          assert.deepEqual(got, expected);
          assert.equal(prefetch.patience(), -1);
        },
      ),
    );
  });

  it("keeps to its rate", async () => {
    const prefetch = new Prefetch([{ start: 0, count: 10_000 }], 1000 * 4096);
    const began = performance.now();
    let pages = 0;
    while (pages < 60) {
      const next = prefetch.next(10, () => true);
      if (next) {
        pages += next.count;
        prefetch.done(next.count);
      } else {
        const patience = prefetch.patience();
        assert.ok(patience >= 1 && patience <= 10, `${patience} ms`);
        await delay(patience);
      }
    }
    // One page a millisecond; the first piece is free, and 5 ms may be made up for.
    assert.ok(performance.now() - began >= 60 - 10 - 5 - 1);
  });

  it("rests for a moment when nothing could be done", () => {
    const prefetch = new Prefetch([{ start: 0, count: 1 }], UNBOUNDED);
    assert.equal(prefetch.patience(), 0);
    assert.deepEqual(
      prefetch.next(8, () => true),
      { start: 0, count: 1 },
    );
    prefetch.done(0);
    assert.equal(
      prefetch.next(8, () => true),
      undefined,
    );
    assert.equal(prefetch.patience(), 1);
  });

  it("has nothing to do without ranges", () => {
    const prefetch = new Prefetch([], UNBOUNDED);
    assert.equal(prefetch.patience(), -1);
    assert.equal(
      prefetch.next(8, () => true),
      undefined,
    );
  });
});
