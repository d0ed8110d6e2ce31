import assert from "node:assert/strict";
import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { openLazyPages } from "@wrenn/core";
import fc from "fast-check";
import { BOOTED, MEMORY_MB, save, TrialMemory, TrialStore } from "../store/test-store.ts";
import { decodeWorkingSet, encodeWorkingSet, workingSetOf } from "./working-set.ts";

const PAGES = 800;

describe("a working set", () => {
  const touches = fc.array(
    fc.record({ start: fc.integer({ min: -5, max: PAGES + 5 }), count: fc.integer({ min: 0, max: 60 }) }),
    { maxLength: 20 },
  );

  it("has each page once, first come first, an eighth of the memory at most; and survives its file", () => {
    fc.assert(
      fc.property(touches, (touched) => {
        const ranges = workingSetOf(touched, PAGES);
        const pagesIn = (list: typeof touched) =>
          list.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i));
        const expected = [...new Set(pagesIn(touched))].filter((page) => page >= 0 && page < PAGES);
        assert.deepEqual(pagesIn(ranges), expected.slice(0, PAGES / 8));
        assert.deepEqual(decodeWorkingSet(encodeWorkingSet(ranges, PAGES), PAGES), ranges);
      }),
    );
  });

  it("is nothing when a single byte of its file is wrong, or it belongs to another memory", () => {
    const bytes = encodeWorkingSet(
      workingSetOf(
        [
          { start: 3, count: 9 },
          { start: 90, count: 2 },
        ],
        PAGES,
      ),
      PAGES,
    );
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      assert.equal(decodeWorkingSet(damaged, PAGES), undefined, `byte ${at}`);
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeWorkingSet(bytes.subarray(0, length), PAGES), undefined);
    }
    assert.equal(decodeWorkingSet(bytes, PAGES * 2), undefined);
  });

  it("is nothing when it says what none may say, with a right checksum", () => {
    const cases = [
      [{ start: 0, count: 0 }],
      [{ start: PAGES, count: 1 }],
      [{ start: 0, count: PAGES }],
      [
        { start: 5, count: 2 },
        { start: 6, count: 2 },
      ],
    ];
    for (const ranges of cases) {
      const bytes = encodeWorkingSet(ranges, PAGES);
      assert.equal(bytes.readUInt32LE(12), crc32(bytes.subarray(16)));
      assert.equal(decodeWorkingSet(bytes, PAGES), undefined);
    }
  });
});

describe("SnapshotStore with working sets", () => {
  const TOUCHED = [
    { start: 40, count: 3 },
    { start: 1, count: 1 },
  ];

  it("serves a snapshot's pages together with what was recorded beside it", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 7).set(42, 9);
    const { id } = await save(store, { origin: BOOTED, memory });
    {
      using pages = await openLazyPages(structuredClone(await store.lazyPages(id)));
      assert.equal(pages.pages, MEMORY_MB * 256);
      assert.deepEqual(pages.workingSet, []);
      assert.deepEqual(pages.run(0, 10), { zero: true, count: 1 });
      assert.deepEqual(pages.run(1, 10), { zero: false, count: 1 });
      const page = Buffer.alloc(4096);
      pages.read(42, page);
      assert.ok(page.equals(Buffer.alloc(4096, 9)));
    }
    await store.recordWorkingSet(id, TOUCHED);
    using later = await openLazyPages(await store.lazyPages(id));
    assert.deepEqual(later.workingSet, TOUCHED);
    await store.verify(id);
  });

  it("hands it down to the next generation, and lets it go with the snapshot", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 7);
    const first = await save(store, { origin: BOOTED, memory });
    await store.recordWorkingSet(first.id, TOUCHED);
    const origin = { kind: "continued", parent: first.id, base: null } as const;
    const second = await save(store, { origin, memory: memory.set(2, 8) });
    assert.deepEqual((await openLazyPages(await store.lazyPages(second.id))).workingSet, TOUCHED);
    await store.collect([second.id]);
    assert.deepEqual(await readdir(first.dir), ["memory.bin", "remains.json"]);
    await assert.rejects(store.recordWorkingSet(first.id, TOUCHED), { code: "not_found" });
    await access(second.dir);
    assert.deepEqual((await openLazyPages(await store.lazyPages(second.id))).workingSet, TOUCHED);
  });

  it("does not hand it down to a snapshot whose machines share the base of before", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 7);
    const first = await save(store, { origin: BOOTED, memory });
    await store.recordWorkingSet(first.id, TOUCHED);
    const origin = { kind: "continued", parent: first.id, base: first.id } as const;
    const second = await save(store, { origin, memory: memory.set(2, 8) });
    assert.deepEqual(await store.workingSet(second.id), []);
    using pages = await openLazyPages(await store.lazyPages(second.id, await store.workingSet(first.id)));
    assert.deepEqual(pages.workingSet, TOUCHED);
  });

  it("does without one that can neither be read nor copied", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 7);
    const first = await save(store, { origin: BOOTED, memory });
    await mkdir(join(first.dir, "working-set.bin"));
    assert.deepEqual(await store.workingSet(first.id), []);
    const origin = { kind: "continued", parent: first.id, base: null } as const;
    const second = await save(store, { origin, memory: memory.set(2, 8) });
    assert.ok(!(await readdir(second.dir)).includes("working-set.bin"));
    await store.verify(second.id);
  });

  it("does without one that is damaged, and replaces it", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { id, dir } = await save(store, { origin: BOOTED, memory: new TrialMemory().set(1, 7) });
    const path = join(dir, "working-set.bin");
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(10_000_000), Buffer.from("WRENNWSS")]) {
      await writeFile(path, wrong);
      assert.deepEqual((await openLazyPages(await store.lazyPages(id))).workingSet, []);
    }
    await store.recordWorkingSet(id, TOUCHED);
    assert.ok((await readFile(path)).length < 100);
    assert.deepEqual((await openLazyPages(await store.lazyPages(id))).workingSet, TOUCHED);
    const left = (await readdir(dir)).filter((name) => name.startsWith("working-set"));
    assert.deepEqual(left, ["working-set.bin"]);
  });
});
