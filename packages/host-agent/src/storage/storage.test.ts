// What `wrenn storage` shows: everything that takes room, with what it takes and not with its length.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { link, mkdir, open, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type SnapshotFacts, SnapshotStore } from "@wrenn/snapshot";
import { pino } from "pino";
import { ImageStore } from "../image/image-store.ts";
import { ownFiles } from "../sandbox/own-files.ts";
import { lifeDir, sandboxDir } from "../sandbox/record.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { SandboxTable } from "../sandbox/table.ts";
import { GUEST_IMAGES, newSandbox } from "../testing/fake-host.ts";
import { Storage, type StorageEntry } from "./storage.ts";

/** Length of each file, of which a page is written. */
const LENGTH = 16 * 1024 * 1024;
const PAGE = 4096;
const IMAGE = GUEST_IMAGES.kernel;
const rootfs = { path: ({ dir }: { dir: string }, top: string) => join(dir, top) };

const dir = mkdtempSync(join(tmpdir(), "wrenn-storage-"));
const table = new SandboxTable();
let snapshot = "";
let entries: StorageEntry[];

before(async () => {
  const images = await ImageStore.open(dir);
  const snapshots = await SnapshotStore.open(dir);
  await sparse(images.path(IMAGE));
  await using draft = await snapshots.begin({ kind: "booted", memoryMb: 128 });
  await draft.storePages({ read: (_, into) => into.fill(1) }, Uint32Array.of(0));
  await sparse(draft.devicesPath);
  await sparse(draft.diskPath(0));
  await draft.commit(FACTS);
  snapshot = draft.id;

  const life = { number: 3, slot: 0, process: null, base: null, guest: GUEST_IMAGES };
  // Frozen into the snapshot already, but for the last one; the one after that is named and not made yet.
  const runs = newSandbox({ snapshot, life: { ...life, tops: ["root-1", "root-2"] } });
  await sparse(join(lifeDir(dir, runs.id, 3), "root-0"));
  await sparse(join(lifeDir(dir, runs.id, 3), "root-1"));
  const left = newSandbox({ status: "stopped", kept: ["kept-0", "kept-1"] });
  for (const name of left.record.kept) await sparse(join(sandboxDir(dir, left.id), name));
  // It begins on what was kept of it, which has two names until it runs.
  const begins = newSandbox({ status: "resuming", kept: ["kept-0"], life: { ...life, tops: ["root-0"] } });
  const kept = join(sandboxDir(dir, begins.id), "kept-0");
  await sparse(kept);
  await mkdir(lifeDir(dir, begins.id, 3));
  await link(kept, join(lifeDir(dir, begins.id, 3), "root-0"));
  for (const sandbox of [runs, left, begins, newSandbox({ status: "paused", snapshot })])
    table.takeIn(sandbox);

  const log = pino({ level: "silent" });
  const storage = new Storage({ snapshots, images, memory: { drop: () => {} }, log });
  storage.addUsers(() => table.users((record) => ownFiles({ rootfs, dataDir: dir }, record)));
  entries = await storage.describe();
});
after(() => rmSync(dir, { recursive: true, force: true }));

describe("Storage.describe()", () => {
  it("says of an image and a snapshot what they take: blocks × 512, not their length", async () => {
    const image = entries.find(({ kind }) => kind === "image");
    assert.deepEqual([image?.id, image?.sizeBytes], [IMAGE, await blocks(join(dir, "images", IMAGE))]);
    const saved = entries.find(({ kind }) => kind === "snapshot");
    assert.equal(saved?.id, snapshot);
    // Memory, devices and a layer of the disk: a page of each, and what describes them.
    assert.ok(saved.sizeBytes >= 3 * PAGE && saved.sizeBytes < 16 * PAGE, `${saved.sizeBytes} bytes`);
  });

  it("says the same of what is a sandbox's alone, once, and names the sandbox", async () => {
    const [runs, left, begins, paused] = table.list().map(({ id }) => id) as [string, string, string, string];
    const own = new Map(entries.filter(({ kind }) => kind === "sandbox").map((entry) => [entry.id, entry]));
    const page = await blocks(join(lifeDir(dir, runs, 3), "root-1"));
    assert.ok(page >= PAGE && page < LENGTH / 100, `${page} bytes`);
    for (const [id, sizeBytes] of [
      [runs, page],
      [left, 2 * page],
      [begins, page],
    ] as const)
      assert.deepEqual(own.get(id), { kind: "sandbox", id, sizeBytes, usedBy: [`sandbox ${id}`] });
    assert.equal(own.has(paused), false, "all that a paused one has lies in its snapshot");
    assert.equal(own.size, 3);
  });
});

describe("Storage.collect()", () => {
  it("keeps of earlier generations what the last one needs of them, and of all of them the disk alone after a boot", async () => {
    const home = mkdtempSync(join(tmpdir(), "wrenn-storage-"));
    try {
      const store = await SnapshotStore.open(home);
      const ids: string[] = [];
      let disk = FACTS.disk;
      for (let n = 1; n <= 3; n++) {
        const [base] = ids;
        const parent = ids.at(-1);
        const origin =
          base && parent
            ? ({ kind: "continued", parent, base } as const)
            : ({ kind: "booted", memoryMb: 128 } as const);
        await using draft = await store.begin(origin);
        // The same page each time, but for the last one: that goes on with what the second wrote.
        const page = Math.min(n, 2);
        await draft.storePages({ read: (_, into) => into.fill(page) }, Uint32Array.of(0));
        await sparse(draft.devicesPath);
        await sparse(draft.diskPath(0));
        disk = (await draft.commit({ ...FACTS, disk })).manifest.disk;
        ids.push(draft.id);
      }
      const sandboxes = new SandboxTable();
      const sandbox = newSandbox({ status: "paused", snapshot: ids[2] ?? "", layers: disk });
      sandboxes.takeIn(sandbox);
      const images = await ImageStore.open(home);
      const log = pino({ level: "silent" });
      const storage = new Storage({ snapshots: store, images, memory: { drop: () => {} }, log });
      storage.addUsers(() => sandboxes.users(() => []));
      const left = async () => {
        storage.start();
        await storage.settled();
        return ids.map((id) => readdirSync(join(home, "snapshots", id)).sort());
      };
      const whole = ["devices.bin", "disk-0.qcow2", "header.bin", "manifest.json", "memory.bin"];
      assert.deepEqual(await left(), [whole, ["disk-0.qcow2", "memory.bin", "remains.json"], whole]);
      const { layers } = sandbox.record;
      sandboxes.takeIn(new Sandbox({ ...sandbox.record, status: "running", snapshot: null, layers }));
      const disks = ["disk-0.qcow2", "remains.json"];
      assert.deepEqual(await left(), [disks, disks, disks]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

const FACTS: SnapshotFacts = {
  ...{ createdAt: 0, vcpus: 1, diskMb: 1024, accelerator: "tcg", vmm: {}, images: GUEST_IMAGES },
  ...{ commandLine: "", tscKhz: 1, token: "t", template: "minimal", disk: [{ kind: "image", name: IMAGE }] },
};

/** A long file with one page in its middle, and its directory. */
async function sparse(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, "w");
  await file.truncate(LENGTH);
  await file.write(Buffer.alloc(PAGE, 1), 0, PAGE, LENGTH / 2);
}

async function blocks(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
