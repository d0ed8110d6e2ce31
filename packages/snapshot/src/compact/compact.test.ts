import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { merge } from "../mapping/merge.ts";
import { PAGE_BYTES, type PageMap, pageMap } from "../mapping/page-map.ts";
import type { BuildReader } from "../pages/build-files.ts";
import { PageSource } from "../pages/page-source.ts";
import { MEMORY_MB, restored, save, TrialMemory, TrialStore } from "../store/test-store.ts";
import { compactSnapshot } from "./compact.ts";
import { COMPACT_POLICY } from "./policy.ts";

const BOOTED = { kind: "booted", memoryMb: MEMORY_MB } as const;
const PAGES = 600;

/** Finds and reads every page by itself; how often something was read, and how many ranges were looked at. */
function costOf(map: PageMap): { reads: number; looks: number } {
  const cost = { reads: 0, looks: 0 };
  const reader: BuildReader = {
    read: () => {
      cost.reads += 1;
    },
  };
  const ends = new Proxy(map.ends, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) cost.looks += 1;
      return Reflect.get(target, key, target) as unknown;
    },
  });
  const source = new PageSource({ ...map, ends }, reader);
  const page = Buffer.alloc(PAGE_BYTES);
  for (let n = 0; n < map.pages; n++) source.read(n, page);
  return cost;
}

describe("a snapshot of generation 1,000", () => {
  it("is read as cheaply as one of generation 1 whose pages lie as scattered", () => {
    const stored = (build: number, pages: number[]) =>
      pageMap(
        PAGES,
        pages
          .toSorted((a, b) => a - b)
          .map((start, offset) => ({ start, end: start + 1, build: `${build}`, offset })),
      );
    const every = Array.from({ length: PAGES }, (_, page) => page);
    let map = stored(1, every);
    for (let generation = 2; generation <= 1000; generation++) {
      const pages = new Set([0, 1, 2].map((i) => (generation * 7 + i * 191) % PAGES));
      map = merge(map, stored(generation, [...pages]));
    }
    const deep = costOf(map);
    const scattered = costOf(
      pageMap(
        PAGES,
        every.map((start) => ({ start, end: start + 1, build: "1", offset: (start * 7) % PAGES })),
      ),
    );
    assert.equal(deep.reads, PAGES);
    assert.equal(scattered.reads, PAGES);
    assert.ok(deep.looks <= scattered.looks, `${deep.looks} looks, ${scattered.looks} at generation 1`);
    assert.ok(scattered.looks <= PAGES * (Math.log2(PAGES) + 3));
  });
});

describe("compactSnapshot()", () => {
  it("leaves a short history alone", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { id } = await save(store, { origin: BOOTED, memory: new TrialMemory().set(1, 1) });
    const record = () => assert.fail("there is nothing to record");
    assert.equal(await compactSnapshot({ store, id, record }), undefined);
  });

  it("keeps few builds and little on disk over many generations", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const policy = { ...COMPACT_POLICY, maxBuilds: 4 };
    const memory = new TrialMemory();
    for (let page = 0; page < PAGES; page++) memory.set(page, 1 + (page % 200));
    const base = (await save(store, { origin: BOOTED, memory })).id;
    memory.written.clear();
    let current = base;
    const record = async ({ id }: { id: string }) => {
      current = id;
    };
    for (let generation = 2; generation <= 40; generation++) {
      for (let i = 0; i < 3; i++) memory.set((generation * 7 + i * 191) % PAGES, (generation + i) % 256);
      current = (await save(store, { origin: { kind: "continued", parent: current, base }, memory })).id;
      await compactSnapshot({ store, id: current, record, policy });
      await store.collect([current, base]);
      assert.ok(store.get(current).manifest.builds.length <= policy.maxBuilds + 1);
      assert.ok((await readdir(store.layout.root)).length <= policy.maxBuilds + 2);
    }
    assert.equal(store.get(current).manifest.generation, 40);
    assert.ok((await restored(store, current)).equals(memory.bytes));
    await store.verify(current);
    const usage = await store.users([{ id: current, label: "sandbox" }]);
    const bytes = usage.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(bytes < 2 * PAGES * PAGE_BYTES, `${bytes} bytes on disk`);
  });

  it("keeps the snapshot's own disk layer, devices and facts", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const policy = { ...COMPACT_POLICY, maxBuilds: 0 };
    const memory = new TrialMemory().set(3, 3);
    const base = await save(store, { origin: BOOTED, memory, disk: "lower" });
    const origin = { kind: "continued", parent: base.id, base: base.id } as const;
    const disk = base.manifest.disk;
    const facts = { disk, tscSource: "refined" } as const;
    const old = await save(store, { origin, memory: memory.set(4, 4), disk: "upper", facts });
    assert.equal(base.manifest.tscSource, undefined, "as snapshots were before; such a one is read too");
    const compacted = await compactSnapshot({ store, id: old.id, policy, record: async () => {} });
    assert.ok(compacted);
    assert.deepEqual(await store.collect([compacted.id]), [old.id]);
    assert.deepEqual((await readdir(store.layout.root)).toSorted(), [base.id, compacted.id].toSorted());
    const { id, replaces, builds, files, disk: layers, ...same } = compacted.manifest;
    const { id: _, replaces: __, builds: ___, files: ____, disk: _____, ...before } = old.manifest;
    assert.deepEqual(same, before);
    assert.equal(replaces, old.id);
    assert.deepEqual(new Set(builds), new Set([base.id, id]));
    assert.deepEqual(layers, [...disk, { kind: "snapshot", id, index: 0 }]);
    assert.deepEqual(files.devices, old.manifest.files.devices);
    assert.deepEqual(files.disks, old.manifest.files.disks);
    assert.equal(await readFile(join(compacted.dir, "disk-0.qcow2"), "utf8"), "upper");
    assert.ok((await restored(store, id)).equals(memory.bytes));
    await store.verify(id);
  });

  it("leaves the old one in use when it could not be recorded", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const policy = { ...COMPACT_POLICY, maxBuilds: 0 };
    const memory = new TrialMemory().set(3, 3);
    const { id } = await save(store, { origin: BOOTED, memory });
    const record = () => Promise.reject(new Error("no"));
    await assert.rejects(compactSnapshot({ store, id, policy, record }), /no/);
    assert.equal(store.list().length, 2);
    assert.equal((await store.collect([id])).length, 1);
    assert.deepEqual(await readdir(store.layout.root), [id]);
    assert.ok((await restored(store, id)).equals(memory.bytes));
  });
});
