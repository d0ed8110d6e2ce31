// One flipped bit, a byte less or a file less: found before anything continues, and never copied.
import assert from "node:assert/strict";
import { appendFile, chmod, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryFile } from "@wrenn/linux";
import { compactSnapshot } from "../compact/compact.ts";
import { COMPACT_POLICY } from "../compact/policy.ts";
import { MemoryImages } from "../image/memory-images.ts";
import { manifestText, parseManifest } from "../manifest/manifest.ts";
import { difference } from "../mapping/difference.ts";
import { readFailure } from "./damage.ts";
import type { Snapshot, SnapshotStore } from "./store.ts";
import { BOOTED, save, TrialMemory, TrialStore } from "./test-store.ts";

const DAMAGED = { code: "snapshot_damaged" };

/** A base, a generation of which only pages are left, and the last one that needs both. */
async function scene(store: SnapshotStore): Promise<{ base: Snapshot; middle: Snapshot; last: Snapshot }> {
  const memory = new TrialMemory().set(1, 1).set(5, 5);
  const base = await save(store, { origin: BOOTED, memory, disk: "base" });
  const next = (parent: Snapshot) =>
    save(store, {
      origin: { kind: "continued", parent: parent.id, base: base.id },
      memory,
      disk: "layer",
      facts: { disk: parent.manifest.disk },
    });
  memory.set(2, 2);
  const middle = await next(base);
  memory.set(3, 3);
  const last = await next(middle);
  await store.collect([last.id]);
  return { base, middle, last };
}

/** Changes one bit, as a disk does: length and times say nothing. */
async function flip(path: string, at = 0): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

/** Whatever a machine would be started with, in the ways in which it would be read. */
async function continues(store: SnapshotStore, id: string): Promise<void> {
  await store.assertContinues(id);
  const { base, disk } = store.get(id).manifest;
  if (base === null) return;
  const changes = difference(await store.map(base), await store.map(id));
  await store.written.visit(changes, () => {});
  await store.written.assertDevices(id);
  await store.written.assertLengths(disk);
}

describe("a damaged snapshot", () => {
  const memory = "memory.bin";
  const ways: [string, (scene: { base: string; middle: string; last: string }) => Promise<void>][] = [
    ["a bit of its memory", ({ last }) => flip(join(last, memory), 4000)],
    ["a bit of the memory that is left of another generation", ({ middle }) => flip(join(middle, memory), 9)],
    ["a bit of its base's memory", ({ base }) => flip(join(base, memory), 5000)],
    ["a bit of its devices", ({ last }) => flip(join(last, "devices.bin"))],
    ["a bit of its header", ({ last }) => flip(join(last, "header.bin"), 80)],
    ["a bit of its manifest", ({ last }) => flip(join(last, "manifest.json"), 300)],
    ["the end of its memory", ({ last }) => truncate(join(last, memory), 100)],
    ["something behind its memory", ({ last }) => appendFile(join(last, memory), "x")],
    ["its memory", ({ last }) => rm(join(last, memory))],
    ["its header", ({ last }) => rm(join(last, "header.bin"))],
    ["its devices", ({ last }) => rm(join(last, "devices.bin"))],
    ["its manifest", ({ last }) => rm(join(last, "manifest.json"))],
    ["what was known of another generation's files", ({ middle }) => flip(join(middle, "remains.json"), 300)],
    ["the end of a layer of its disk", ({ middle }) => truncate(join(middle, "disk-0.qcow2"), 1)],
    ["a layer of its disk", ({ middle }) => rm(join(middle, "disk-0.qcow2"))],
  ];
  for (const [what, damage] of ways) {
    it(`is refused: ${what}`, async () => {
      using trial = new TrialStore();
      using written = await trial.open();
      const { base, middle, last } = await scene(written);
      await continues(written, last.id);
      await damage({ base: base.dir, middle: middle.dir, last: last.dir });
      using store = await trial.open();
      await assert.rejects(continues(store, last.id), DAMAGED);
      await assert.rejects(continues(store, last.id), DAMAGED, "and again: nothing is remembered as whole");
    });
  }

  it("has no image, and has one when it is mended", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { last } = await scene(store);
    using images = new MemoryImages({ store, create: MemoryFile.create, idleBytes: 0 });
    await flip(join(last.dir, "memory.bin"), 77);
    const both = await Promise.allSettled([images.acquire(last.id), images.acquire(last.id)]);
    for (const { status } of both) assert.equal(status, "rejected");
    await assert.rejects(images.acquire(last.id), DAMAGED);
    assert.equal(images.residentBytes, 0);
    await flip(join(last.dir, "memory.bin"), 77);
    (await images.acquire(last.id)).release();
  });

  it("is not made whole by shortening its history", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { middle, last } = await scene(store);
    const compact = () =>
      compactSnapshot({
        store,
        id: last.id,
        policy: { ...COMPACT_POLICY, maxBuilds: 0 },
        record: async () => {},
      });
    for (const [path, at] of [
      [join(middle.dir, "memory.bin"), 8],
      [join(last.dir, "devices.bin"), 0],
    ] as const) {
      await flip(path, at);
      await assert.rejects(compact(), DAMAGED);
      await flip(path, at);
    }
    const copy = await compact();
    assert.ok(copy);
    await continues(store, copy.id);
  });

  it("with a layer of whose length nobody knows any more is one that somebody has decided to go on with", async () => {
    using trial = new TrialStore();
    using written = await trial.open();
    const { middle, last } = await scene(written);
    await rm(join(middle.dir, "remains.json"));
    await rename(middle.dir, `${middle.dir}.away`);
    using store = await trial.open();
    await assert.rejects(store.written.assertLengths(last.manifest.disk), DAMAGED);
    await rename(`${middle.dir}.away`, middle.dir);
    await store.written.assertLengths(last.manifest.disk);
    await assert.rejects(store.assertContinues(last.id), DAMAGED);
  });
});

describe("visit()", () => {
  it("does not take a machine that has died for a disk", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { last } = await scene(store);
    const died = Object.assign(new Error("EIO: i/o error, write"), { errno: -5 });
    const visited = store.written.visit(await store.map(last.id), ({ kind }) => {
      if (kind === "data") throw died;
    });
    await assert.rejects(visited, (reason) => reason === died);
  });
});

describe("the text of a manifest", () => {
  it("says what it said, and no digit of it changes unseen", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { manifest } = await save(store, { origin: BOOTED, memory: new TrialMemory(), disk: "x" });
    const text = manifestText(manifest);
    assert.deepEqual(parseManifest(text), manifest);
    assert.deepEqual(parseManifest(JSON.stringify(manifest)), manifest, "one of an earlier version");
    for (const { index } of text.matchAll(/[0-9a-f]/g)) {
      const other = text[index] === "1" ? "2" : "1";
      assert.throws(() => parseManifest(text.slice(0, index) + other + text.slice(index + 1)), {
        code: "internal",
      });
    }
  });
});

describe("readFailure()", () => {
  it("tells a disk from everything else", async () => {
    const missing = await readFile("/nowhere/at-all").catch((reason: unknown) => reason);
    assert.equal((readFailure(missing, "1", "memory") as { code?: string }).code, "snapshot_damaged");
    const bad = Object.assign(new Error("EIO"), { errno: -5 });
    assert.equal((readFailure(bad, "1", "memory") as { cause?: unknown }).cause, bad);
    for (const other of [new Error("x"), Object.assign(new Error("EMFILE"), { errno: -24 })])
      assert.equal(readFailure(other, "1", "memory"), other);
  });
});
