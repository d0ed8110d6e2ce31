import assert from "node:assert/strict";
import { access, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { difference } from "../mapping/difference.ts";
import { PAGE_BYTES, segments } from "../mapping/page-map.ts";
import { FACTS, fill, MEMORY_MB, restored, save, TrialMemory, TrialStore } from "./test-store.ts";

const BOOTED = { kind: "booted", memoryMb: MEMORY_MB } as const;
const hex = (digit: string) => digit.repeat(32);

describe("a snapshot", () => {
  it("gives back the memory it was taken of", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(0, 1).set(1, 2).set(7, 0).set(900, 9);
    const { id, manifest } = await save(store, { origin: BOOTED, memory });
    assert.ok((await restored(store, id)).equals(memory.bytes));
    assert.equal(manifest.generation, 1);
    assert.equal(manifest.files.memory.bytes, 3 * PAGE_BYTES);
    assert.deepEqual(manifest.builds, [id]);
    await store.verify(id);

    using again = await trial.open();
    assert.deepEqual(again.get(id).manifest, manifest);
    assert.ok((await restored(again, id)).equals(memory.bytes));
  });

  it("stores what differs from its parent, once", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory();
    for (let page = 0; page < 1000; page++) memory.set(page, 1 + (page % 255));
    const base = (await save(store, { origin: BOOTED, memory })).id;

    // Everything counts as written since the base, as it does for a machine that was filled.
    memory.set(3, 77).set(4, 0).set(2000, 0).set(2001, 5);
    await using draft = await store.begin({ kind: "continued", parent: base, base });
    const counts = await draft.storePages(memory, memory.pages());
    assert.deepEqual(counts, { stored: 2, zero: 1, unchanged: 999 });
    await writeFile(draft.devicesPath, "");
    const child = await draft.commit(FACTS);
    assert.equal(child.manifest.generation, 2);
    assert.equal(child.manifest.files.memory.bytes, 2 * PAGE_BYTES);
    assert.deepEqual(new Set(child.manifest.builds), new Set([base, child.id]));
    assert.ok((await restored(store, child.id)).equals(memory.bytes));

    const changed = [...segments(difference(await store.map(base), await store.map(child.id)))];
    assert.deepEqual(changed, [
      { start: 3, end: 4, build: child.id, offset: 0 },
      { start: 4, end: 5, build: null, offset: 0 },
      { start: 2001, end: 2002, build: child.id, offset: 1 },
    ]);
  });

  it("is in files that only their owner reads, its disk excepted", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { dir, manifest, id } = await save(store, { origin: BOOTED, memory: new TrialMemory(), disk: "q" });
    const modes: Record<string, number> = {};
    for (const name of await readdir(dir)) modes[name] = (await stat(join(dir, name))).mode & 0o777;
    assert.deepEqual(modes, {
      "devices.bin": 0o400,
      "disk-0.qcow2": 0o444,
      "header.bin": 0o600,
      "manifest.json": 0o600,
      "memory.bin": 0o600,
    });
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    assert.deepEqual(manifest.disk, [...FACTS.disk, { kind: "snapshot", id, index: 0 }]);
    assert.deepEqual(
      store.diskLayers(id, (name) => `/images/${name}`),
      [
        { path: `/images/${"4".repeat(64)}`, format: "raw" },
        { path: join(dir, "disk-0.qcow2"), format: "qcow2" },
      ],
    );
  });

  it("is refused when its facts are out of bounds, and nothing stays", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    {
      await using draft = await store.begin(BOOTED);
      await fill(draft, new TrialMemory());
      await assert.rejects(draft.commit({ ...FACTS, vcpus: 0 }), (error: Error) => {
        assert.match(error.message, /vcpus/);
        return !error.message.includes(FACTS.token);
      });
    }
    assert.deepEqual(await readdir(store.layout.root), []);
  });

  it("does not appear when it is given up, or was never filled", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    {
      await using draft = await store.begin(BOOTED);
      await assert.rejects(draft.commit(FACTS), { code: "internal" });
      await access(draft.dir);
    }
    {
      await using draft = await store.begin(BOOTED);
      const abort = AbortSignal.abort();
      const memory = new TrialMemory().set(0, 1);
      await assert.rejects(draft.storePages(memory, memory.pages(), { signal: abort }), {
        name: "AbortError",
      });
    }
    assert.deepEqual(await readdir(store.layout.root), []);
    assert.deepEqual(store.list(), []);
  });

  it("that is damaged is found out", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { id, dir } = await save(store, { origin: BOOTED, memory: new TrialMemory().set(5, 5) });
    const path = join(dir, "memory.bin");
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await assert.rejects(store.verify(id), {
      code: "snapshot_damaged",
      message: /memory is not what was written/,
    });
    await writeFile(path, bytes.subarray(1));
    await assert.rejects(restored(store, id), { code: "internal" });
  });
});

describe("a store", () => {
  it("removes what a crash left half-made, and nothing else", async () => {
    using trial = new TrialStore();
    const root = join(trial.dir, "snapshots");
    for (const name of [`new-${hex("1")}`, `gone-${hex("2")}`, hex("3"), "notes", "new-something"]) {
      await mkdir(join(root, name), { recursive: true });
      await writeFile(join(root, name, "memory.bin"), "x");
    }
    using store = await trial.open();
    assert.deepEqual((await readdir(root)).toSorted(), [hex("3"), "new-something", "notes"].toSorted());
    assert.deepEqual(store.list(), []);
    assert.deepEqual(
      store.damaged.map(({ id }) => id),
      [hex("3")],
    );
    assert.throws(() => store.get(hex("3")), { code: "snapshot_damaged" });
    assert.throws(() => store.get(hex("4")), { code: "not_found" });
  });
});

describe("collect()", () => {
  const continued = (parent: string, base: string) => ({ kind: "continued", parent, base }) as const;

  it("keeps no ancestor as a whole of what machines are started from by itself", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 1);
    const first = await save(store, { origin: BOOTED, memory });
    const origin = { kind: "continued", parent: first.id, base: null } as const;
    const second = await save(store, { origin, memory: memory.set(2, 2) });
    assert.equal(second.manifest.base, null);
    assert.deepEqual(second.manifest.builds.toSorted(), [first.id, second.id].toSorted());
    assert.deepEqual(await store.collect([second.id]), [first.id], "stripped to its pages");
    assert.deepEqual(await readdir(first.dir), ["memory.bin", "remains.json"]);
    assert.ok((await restored(store, second.id)).equals(memory.bytes));
  });

  it("keeps what roots and holders need, strips what is needed in part, removes the rest", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 1);
    const base = await save(store, { origin: BOOTED, memory, disk: "0" });
    const save2 = (parent: string, disk?: string) =>
      save(store, {
        origin: continued(parent, base.id),
        memory,
        facts: { disk: store.get(parent).manifest.disk },
        ...(disk !== undefined && { disk }),
      });
    memory.set(2, 2);
    const pages = await save2(base.id);
    memory.set(2, 3);
    const layer = await save2(pages.id, "1");
    memory.set(2, 2);
    const other = await save(store, { origin: BOOTED, memory });
    // Like `pages` but for one page, so that it refers to that build; and `layer` is in its disk.
    const last = await save(store, {
      origin: continued(pages.id, base.id),
      memory: memory.set(3, 3),
      facts: { disk: layer.manifest.disk },
    });
    assert.deepEqual(new Set(last.manifest.builds), new Set([base.id, pages.id, last.id]));

    using hold = store.hold(other.id);
    assert.deepEqual(new Set(await store.collect([last.id])), new Set([pages.id, layer.id]));
    assert.deepEqual(await readdir(pages.dir), ["memory.bin", "remains.json"]);
    assert.deepEqual(await readdir(layer.dir), ["disk-0.qcow2", "remains.json"]);
    assert.throws(() => store.get(pages.id), { code: "not_found" });
    assert.ok((await restored(store, last.id)).equals(memory.bytes));
    await store.verify(last.id);
    const usage = await store.users([{ id: last.id, label: "x" }]);
    const needed = usage.map(({ id, bytes, need: { whole, memory, disk } }) => {
      assert.ok(bytes > 0);
      return [id, whole.size, memory.size, disk.size];
    });
    const expected = [
      [base.id, 1, 1, 1],
      [other.id, 0, 0, 0],
      [last.id, 1, 1, 0],
      [pages.id, 0, 1, 0],
      [layer.id, 0, 0, 1],
    ];
    assert.deepEqual(needed.toSorted(), expected.toSorted());

    hold[Symbol.dispose]();
    using again = await trial.open();
    assert.deepEqual(again.damaged, []);
    assert.deepEqual(await again.collect([last.id]), [other.id]);
    assert.ok((await restored(again, last.id)).equals(memory.bytes));
    assert.deepEqual(new Set(await again.collect([])), new Set([base.id, last.id]));
    assert.deepEqual(await readdir(store.layout.root), []);
  });

  it("keeps of what a disk lies on its layers alone, also when nothing else of it is left", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const saved = await save(store, { origin: BOOTED, memory: new TrialMemory().set(1, 1), disk: "0" });
    assert.deepEqual(await store.collect([], [saved.id]), [saved.id]);
    using again = await trial.open();
    for (const one of [store, again]) {
      assert.deepEqual(await one.collect([], [saved.id]), []);
      assert.deepEqual(await readdir(saved.dir), ["disk-0.qcow2", "remains.json"]);
      const root = { id: saved.id, label: "x", part: "disk" } as const;
      const [usage] = await one.users([root]);
      assert.deepEqual(usage?.need, { whole: new Set(), memory: new Set(), disk: new Set(["x"]) });
    }
    await again.collect([]);
    assert.deepEqual(await readdir(store.layout.root), []);
  });

  it("takes nothing that a draft continues from, nor what it has just become", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const memory = new TrialMemory().set(1, 1);
    const base = await save(store, { origin: BOOTED, memory });
    {
      await using draft = await store.begin(continued(base.id, base.id));
      assert.deepEqual(await store.collect([]), []);
      await fill(draft, memory.set(2, 2));
      const { id } = await draft.commit(FACTS);
      assert.deepEqual(await store.collect([]), []);
      assert.ok((await restored(store, id)).equals(memory.bytes));
    }
    assert.equal((await store.collect([])).length, 2);
  });

  it("may be called again while it is at work", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const saved = [];
    for (let n = 1; n < 4; n++)
      saved.push(await save(store, { origin: BOOTED, memory: new TrialMemory().set(n, n) }));
    const [a, b, c] = saved.map(({ id }) => id) as [string, string, string];
    assert.deepEqual(await Promise.all([store.collect([a, b]), store.collect([a]), store.collect([a])]), [
      [c],
      [b],
      [],
    ]);
    assert.deepEqual(await readdir(store.layout.root), [a]);
  });
});
