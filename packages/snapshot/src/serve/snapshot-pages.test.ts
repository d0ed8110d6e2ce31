import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openLazyPages } from "@wrenn/core";
import fc from "fast-check";
import { PAGE_BYTES, type PageMap, pageMap, type Segment } from "../mapping/page-map.ts";
import { lazyPagesRef } from "./snapshot-pages.ts";

const BUILD_PAGES = 16;
const dir = mkdtempSync(join(tmpdir(), "wrenn-lazy-"));
after(() => rmSync(dir, { recursive: true }));
const files = new Map(
  ["a", "b", "c"].map((build) => {
    const bytes = randomBytes(BUILD_PAGES * PAGE_BYTES);
    writeFileSync(join(dir, build), bytes);
    return [build, bytes];
  }),
);

/** Flat maps over three builds. */
const maps = fc
  .array(
    fc.record({
      count: fc.integer({ min: 1, max: 6 }),
      build: fc.constantFrom(null, "a", "b", "c"),
      offset: fc.nat(BUILD_PAGES - 6),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((rows) => {
    let end = 0;
    const list: Segment[] = rows.map(({ count, build, offset }) => {
      const start = end;
      end += count;
      return { start, end, build, offset: build === null ? 0 : offset };
    });
    return { map: pageMap(end, list), expected: Buffer.concat(list.map(bytesOf)) };
  });

function bytesOf({ start, end, build, offset }: Segment): Buffer {
  const length = (end - start) * PAGE_BYTES;
  const file = files.get(build ?? "");
  return file?.subarray(offset * PAGE_BYTES, offset * PAGE_BYTES + length) ?? Buffer.alloc(length);
}

function refOf(map: PageMap) {
  return lazyPagesRef({ map, paths: map.builds.map((build) => join(dir, build)), workingSet: [] });
}

describe("SnapshotPages", () => {
  it("gives every byte, in runs of any length, after a journey to another thread", async () => {
    await fc.assert(
      fc.asyncProperty(maps, fc.integer({ min: 1, max: 9 }), async ({ map, expected }, limit) => {
        using pages = await openLazyPages(structuredClone(refOf(map)));
        assert.equal(pages.pages, map.pages);
        for (let page = 0; page < pages.pages; ) {
          const { zero, count } = pages.run(page, limit);
          assert.ok(count >= 1 && count <= limit && page + count <= pages.pages);
          const into = Buffer.alloc(count * PAGE_BYTES);
          if (!zero) pages.read(page, into);
          const whole = expected.subarray(page * PAGE_BYTES, (page + count) * PAGE_BYTES);
          assert.ok(into.equals(whole), `${count} pages at ${page}`);
          page += count;
        }
      }),
    );
  });

  it("joins neighbours of several builds, up to the limit", async () => {
    const map = pageMap(20, [
      { start: 0, end: 5, build: "a", offset: 3 },
      { start: 5, end: 9, build: "b", offset: 0 },
      { start: 9, end: 20, build: null, offset: 0 },
    ]);
    using pages = await openLazyPages(refOf(map));
    assert.deepEqual(pages.run(1, 100), { zero: false, count: 8 });
    assert.deepEqual(pages.run(1, 5), { zero: false, count: 5 });
    assert.deepEqual(pages.run(8, 5), { zero: false, count: 1 });
    assert.deepEqual(pages.run(9, 5), { zero: true, count: 5 });
    assert.throws(() => pages.run(20, 1), /not within/);
    assert.throws(() => pages.run(-1, 1), /not within/);
  });

  it("says which snapshot is damaged", async () => {
    const map = pageMap(40, [{ start: 0, end: 40, build: "a", offset: 0 }]);
    using pages = await openLazyPages(refOf(map));
    assert.throws(() => pages.read(10, Buffer.alloc(10 * PAGE_BYTES)), /snapshot a ends before page/);
  });
});
