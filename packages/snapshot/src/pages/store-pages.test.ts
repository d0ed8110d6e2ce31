import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { merge } from "../mapping/merge.ts";
import { PAGE_BYTES, type PageMap, pageMap, zeroMap } from "../mapping/page-map.ts";
import { TrialMemory } from "../store/test-store.ts";
import type { BuildReader } from "./build-files.ts";
import { PageFile } from "./page-file.ts";
import { PageSource } from "./page-source.ts";
import { storePages } from "./store-pages.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-pages-"));
after(() => rmSync(dir, { recursive: true }));

/** Builds that are buffers; how often they were read. */
class Builds implements BuildReader {
  readonly files = new Map<string, Buffer>();
  reads = 0;

  read(build: string, page: number, into: Uint8Array): void {
    this.reads += 1;
    const file = this.files.get(build) ?? Buffer.alloc(0);
    assert.ok((page + into.length / PAGE_BYTES) * PAGE_BYTES <= file.length, "read beyond the end");
    file.copy(into, 0, page * PAGE_BYTES, page * PAGE_BYTES + into.length);
  }
}

let made = 0;

/** The next generation of a memory: its flat map, and what became of the pages. */
async function next(builds: Builds, parent: PageMap, memory: TrialMemory, pages = memory.pages()) {
  const build = `${++made}`;
  const path = join(dir, build);
  await using file = await PageFile.create(path);
  const { diff, counts } = await storePages({
    build,
    parent: new PageSource(parent, builds),
    pages,
    memory,
    file,
  });
  const sum = await file.settle();
  const stored = readFileSync(path);
  rmSync(path);
  assert.deepEqual(sum, { bytes: stored.length, crc32: crc32(stored) });
  assert.equal(stored.length, counts.stored * PAGE_BYTES);
  builds.files.set(build, stored);
  return { map: merge(parent, diff), diff, counts };
}

function contentOf(map: PageMap, builds: Builds): Buffer {
  const bytes = Buffer.alloc(map.pages * PAGE_BYTES, 0xee);
  new PageSource(map, builds).read(0, bytes);
  return bytes;
}

describe("storePages()", () => {
  it("over any number of generations keeps what a copy of the memory would, and stores nothing twice", async () => {
    const pages = 24;
    const write = fc.tuple(fc.nat(pages - 1), fc.constantFrom(0, 0, 1, 2));
    const generations = fc.array(fc.array(write, { maxLength: 12 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(generations, async (all) => {
        const builds = new Builds();
        const memory = new TrialMemory(Buffer.alloc(pages * PAGE_BYTES));
        let map = zeroMap(pages);
        for (const writes of all) {
          const before = Buffer.from(memory.bytes);
          for (const [page, value] of writes) memory.set(page, value);
          const { diff, counts, map: child } = await next(builds, map, memory);
          map = child;
          assert.ok(contentOf(map, builds).equals(memory.bytes));
          const page = (bytes: Buffer, n: number) => bytes.subarray(n * PAGE_BYTES, (n + 1) * PAGE_BYTES);
          const changed = Array.from({ length: pages }, (_, n) => n).filter(
            (n) => !page(before, n).equals(page(memory.bytes, n)),
          );
          const zero = changed.filter((n) => page(memory.bytes, n).every((byte) => byte === 0)).length;
          assert.deepEqual(counts, {
            stored: changed.length - zero,
            zero,
            unchanged: memory.written.size - changed.length,
          });
          const inDiff = diff.starts.reduce((sum, start, i) => sum + (diff.ends[i] ?? 0) - start, 0);
          assert.equal(inDiff, changed.length);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("sees a difference anywhere in a page", async () => {
    const builds = new Builds();
    const memory = new TrialMemory(randomBytes(4 * PAGE_BYTES));
    const first = await next(builds, zeroMap(4), memory, Uint32Array.of(0, 1, 2, 3));
    assert.equal(first.counts.stored, 4);
    for (const at of [0, 1, 2047, 2048, 4095]) {
      memory.bytes[PAGE_BYTES + at] = (memory.bytes[PAGE_BYTES + at] ?? 0) ^ 1;
      const { counts } = await next(builds, first.map, memory, Uint32Array.of(0, 1, 3));
      assert.deepEqual(counts, { stored: 1, zero: 0, unchanged: 2 }, `at ${at}`);
      memory.bytes[PAGE_BYTES + at] = (memory.bytes[PAGE_BYTES + at] ?? 0) ^ 1;
    }
    for (const at of [0, 2048, 4095]) {
      const almost = new TrialMemory(Buffer.alloc(PAGE_BYTES));
      almost.bytes[at] = 1;
      const { counts } = await next(builds, zeroMap(1), almost, Uint32Array.of(0));
      assert.equal(counts.stored, 1, `a page that is not zero at ${at} only`);
    }
  });

  it("reads in large pieces, also the parent's pages that lie scattered in memory", async () => {
    const pages = 4096;
    const builds = new Builds();
    const memory = new TrialMemory(randomBytes(pages * PAGE_BYTES));
    const every = Uint32Array.from({ length: pages }, (_, page) => page);
    await next(builds, zeroMap(pages), memory, every);
    assert.ok(memory.reads <= 17, `${memory.reads} reads of 16 MiB`);
    const third = every.filter((page) => page % 3 === 0);
    const { map } = await next(builds, zeroMap(pages), memory, third);
    builds.reads = 0;
    const { counts } = await next(builds, map, memory, third);
    assert.equal(counts.unchanged, third.length);
    assert.ok(builds.reads <= 7, `${builds.reads} reads of ${third.length} scattered pages`);
  });

  it("is told to stop between two batches, and passes on what the disk says", async () => {
    await using file = await PageFile.create(join(dir, "aborted"));
    const memory = new TrialMemory(randomBytes(PAGE_BYTES));
    const parent = new PageSource(zeroMap(1), new Builds());
    const options = { build: "x", parent, pages: Uint32Array.of(0), memory, file };
    await assert.rejects(storePages({ ...options, signal: AbortSignal.abort() }), { name: "AbortError" });
    const failing = {
      read: () => {
        throw new Error("the process has ended");
      },
    };
    await assert.rejects(storePages({ ...options, memory: failing }), /has ended/);
  });
});

describe("PageSource", () => {
  it("reads a diff with zeros where it says nothing", async () => {
    const builds = new Builds();
    builds.files.set("a", Buffer.alloc(600 * PAGE_BYTES, 7));
    const map = pageMap(1000, [
      { start: 2, end: 602, build: "a", offset: 0 },
      { start: 700, end: 710, build: null, offset: 0 },
    ]);
    const source = new PageSource(map, builds);
    const bytes = Buffer.alloc(4 * PAGE_BYTES, 0xee);
    source.read(0, bytes);
    const expected = Buffer.concat([Buffer.alloc(2 * PAGE_BYTES), Buffer.alloc(2 * PAGE_BYTES, 7)]);
    assert.ok(bytes.equals(expected));
  });
});
