import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { difference } from "./difference.ts";
import { livePages } from "./live.ts";
import { lookUp, slice } from "./look-up.ts";
import { merge } from "./merge.ts";
import { isFlat, type PageMap, pageMap, segmentAt, segments, zeroMap } from "./page-map.ts";
import {
  arbitraryDiff,
  arbitraryFlat,
  arbitraryPages,
  BUILDS,
  fromNaive,
  type NaiveMap,
  toNaive,
} from "./test-naive.ts";

const [A = "", B = ""] = BUILDS;
const overlay = (lower: NaiveMap, upper: NaiveMap) => upper.map((page, i) => page ?? lower[i]);
const diffs = (count: number) =>
  arbitraryPages.chain((pages) => fc.tuple(...Array.from({ length: count }, () => arbitraryDiff(pages))));

/** Neighbours that ought to be one range, and builds that are listed in vain. */
function unjoined(map: PageMap): number {
  let count = 0;
  const all = [...segments(map)];
  for (const [i, next] of all.entries()) {
    const last = all[i - 1];
    if (!last || last.end !== next.start || last.build !== next.build) continue;
    if (next.build === null || last.offset + last.end - last.start === next.offset) count += 1;
  }
  const used = new Set(all.flatMap(({ build }) => build ?? []));
  return count + map.builds.filter((build) => !used.has(build)).length;
}

describe("pageMap()", () => {
  it("says what each page says, in as few ranges as can be", () => {
    fc.assert(
      fc.property(arbitraryPages.chain(arbitraryDiff), (pages) => {
        const map = fromNaive(pages);
        assert.deepEqual(toNaive(map), pages);
        assert.equal(unjoined(map), 0);
        assert.equal(isFlat(map), !pages.includes(undefined));
      }),
    );
  });

  it("tells zero from unchanged", () => {
    const zero = pageMap(4, [{ start: 1, end: 3, build: null, offset: 0 }]);
    const nothing = pageMap(4, []);
    const parent = pageMap(4, [{ start: 0, end: 4, build: A, offset: 0 }]);
    assert.deepEqual(toNaive(merge(parent, nothing)), toNaive(parent));
    const [first, second, third, fourth] = toNaive(merge(parent, zero));
    assert.deepEqual(
      [first, second, third, fourth],
      [{ build: A, offset: 0 }, "zero", "zero", { build: A, offset: 3 }],
    );
  });

  it("joins only what is stored in one piece", () => {
    const row = (start: number, build: string | null, offset: number) => ({
      start,
      end: start + 1,
      build,
      offset,
    });
    assert.equal(pageMap(2, [row(0, A, 0), row(1, A, 1)]).starts.length, 1);
    assert.equal(pageMap(2, [row(0, A, 0), row(1, A, 2)]).starts.length, 2);
    assert.equal(pageMap(2, [row(0, A, 0), row(1, B, 1)]).starts.length, 2);
    assert.equal(pageMap(2, [row(0, null, 0), row(1, null, 0)]).starts.length, 1);
    assert.equal(pageMap(3, [row(0, null, 0), row(2, null, 0)]).starts.length, 2);
  });

  it("refuses what is out of order, empty, or outside", () => {
    const range = (start: number, end: number, offset = 0) => ({ start, end, build: A, offset });
    assert.throws(() => pageMap(4, [range(1, 2), range(0, 1)]));
    assert.throws(() => pageMap(4, [range(0, 2), range(1, 3)]));
    assert.throws(() => pageMap(4, [range(2, 2)]));
    assert.throws(() => pageMap(4, [range(0, 5)]));
    assert.throws(() => pageMap(4, [range(0, 1, -1)]));
    assert.throws(() => pageMap(4, [range(0, 4, 0xffff_fffe)]));
    assert.throws(() => pageMap(-1, []));
  });
});

describe("lookUp() and slice()", () => {
  it("find what a walk finds", () => {
    fc.assert(
      fc.property(arbitraryPages.chain(arbitraryDiff), fc.nat(50), fc.nat(50), (pages, from, length) => {
        const map = fromNaive(pages);
        for (const [page, expected] of pages.entries()) {
          const index = lookUp(map, page);
          assert.equal(index === -1, expected === undefined);
          if (index === -1) continue;
          const { start, end } = segmentAt(map, index);
          assert.ok(start <= page && page < end);
        }
        const cut = pages.map((page, i) => (i >= from && i < from + length ? page : undefined));
        assert.deepEqual(toNaive(pageMap(pages.length, slice(map, from, from + length))), cut);
      }),
    );
  });

  it("looks at no more than log2 of the ranges", () => {
    const count = 1 << 16;
    const map = pageMap(
      count,
      Array.from({ length: count }, (_, start) => ({
        start,
        end: start + 1,
        build: A,
        offset: (start * 2) % count,
      })),
    );
    let looks = 0;
    const counted = new Proxy(map.ends, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
        return Reflect.get(target, key, target) as unknown;
      },
    });
    assert.equal(lookUp({ ...map, ends: counted }, 12_345), 12_345);
    assert.ok(looks > 0 && looks <= 17, `${looks} looks at ${map.starts.length} ranges`);
  });
});

describe("merge()", () => {
  it("lays one map over another", () => {
    fc.assert(
      fc.property(diffs(2), ([lower = [], upper = []]) => {
        const merged = merge(fromNaive(lower), fromNaive(upper));
        assert.deepEqual(toNaive(merged), overlay(lower, upper));
        assert.equal(unjoined(merged), 0);
      }),
    );
  });

  it("is associative", () => {
    fc.assert(
      fc.property(diffs(3), (three) => {
        const [a, b, c] = three.map(fromNaive) as [PageMap, PageMap, PageMap];
        assert.deepEqual(merge(merge(a, b), c), merge(a, merge(b, c)));
      }),
    );
  });

  it("keeps a flat map flat, and changes nothing with nothing", () => {
    fc.assert(
      fc.property(
        arbitraryPages.chain((pages) => fc.tuple(arbitraryFlat(pages), arbitraryDiff(pages))),
        ([flat, diff]) => {
          const parent = fromNaive(flat);
          assert.ok(isFlat(merge(parent, fromNaive(diff))));
          assert.deepEqual(merge(parent, pageMap(flat.length, [])), parent);
        },
      ),
    );
  });

  it("refuses maps of different sizes", () => {
    assert.throws(() => merge(zeroMap(3), zeroMap(4)));
  });
});

describe("difference()", () => {
  it("is all that turns one memory into the other, and no more", () => {
    fc.assert(
      fc.property(
        arbitraryPages.chain((pages) =>
          fc.tuple(arbitraryFlat(pages), arbitraryFlat(pages), arbitraryDiff(pages)),
        ),
        ([base, unrelated, diff]) => {
          const from = fromNaive(base);
          for (const child of [fromNaive(unrelated), merge(from, fromNaive(diff))]) {
            const found = difference(from, child);
            assert.deepEqual(merge(from, found), child);
            const pages = toNaive(child);
            const expected = pages.map((page, i) => (isEqual(page, base[i]) ? undefined : page));
            assert.deepEqual(toNaive(found), expected);
          }
        },
      ),
    );
  });

  it("refuses a diff", () => {
    assert.throws(() => difference(zeroMap(3), pageMap(3, [])));
    assert.throws(() => difference(pageMap(3, []), zeroMap(3)));
  });
});

it("livePages() counts the pages of each build", () => {
  fc.assert(
    fc.property(arbitraryPages.chain(arbitraryDiff), (pages) => {
      const counts = new Map<string, number>();
      for (const page of pages) {
        if (typeof page === "object") counts.set(page.build, (counts.get(page.build) ?? 0) + 1);
      }
      assert.deepEqual(livePages(fromNaive(pages)), counts);
    }),
  );
});

function isEqual(a: NaiveMap[number], b: NaiveMap[number]): boolean {
  if (typeof a === "object" && typeof b === "object") return a.build === b.build && a.offset === b.offset;
  return a === b;
}
