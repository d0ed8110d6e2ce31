// What every way of keeping root file systems promises. Each adapter runs it: qcow2 here, device mapper in the lab.
import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import type { DiskLayerRef } from "@wrenn/snapshot";
import type { DiskLayer } from "@wrenn/vmm";
import { madeTops } from "../../packages/host-agent/src/rootfs/made-tops.ts";
import type { RootfsStore } from "../../packages/host-agent/src/rootfs/rootfs-store.ts";
import { dropKept, keepTops, linkKept, topsOfKept } from "../../packages/host-agent/src/sandbox/kept-tops.ts";
import type { LifeRecord, SandboxRecord } from "../../packages/host-agent/src/sandbox/record.ts";
import { BLOCK_BYTES, Disk } from "./disk.ts";

export interface RootfsAdapter {
  name: RootfsStore["name"];
  /** A store of a host agent that was just started, on what earlier ones have left. */
  open(dataDir: string): Promise<RootfsStore>;
  /** What the adapter holds of the machine outside the data directory, sorted. */
  held(dataDir: string): Promise<string[]>;
}

const IMAGE_MB = 2;
const DISK_MB = 8;
const BLOCKS_PER_MB = MIB / BLOCK_BYTES;
/** In the image, and in the room behind it. */
const [FIRST, MIDDLE, LAST, BEYOND] = [0, 300, IMAGE_MB * BLOCKS_PER_MB - 1, DISK_MB * BLOCKS_PER_MB - 1];
const IMAGE_BYTE = 0x11;

/** One life of a sandbox's disk, and where its frozen layers are. */
interface Life {
  dir: string;
  /** What the store gave for the machine. */
  made: DiskLayer[];
  disk: Disk;
  tops: string[];
  layers: DiskLayerRef[];
}

export function rootfsContract(adapter: RootfsAdapter): void {
  describe(`root file systems as ${adapter.name}`, () => {
    let dataDir = "";
    let image = "";
    let store: RootfsStore;
    let count = 0;
    const frozenFiles = new Map<string, string>();
    before(async () => {
      dataDir = await realpath(await mkdtemp(join(tmpdir(), "wrenn-rootfs-")));
      await mkdir(join(dataDir, "blank"));
      image = join(dataDir, "image");
      await writeFile(image, Buffer.alloc(IMAGE_MB * MIB, IMAGE_BYTE));
      store = await adapter.open(dataDir);
    });
    after(async () => {
      assert.deepEqual(await adapter.held(dataDir), [], "nothing is held any more");
      assert.ok(
        (await readFile(image)).every((byte) => byte === IMAGE_BYTE),
        "the image is as it was",
      );
      await rm(dataDir, { recursive: true, force: true });
    });

    const placeOf = (dir: string) => ({ dir, uid: 0, diskMb: DISK_MB });
    const specOf = (dir: string, layers: readonly DiskLayerRef[]) => ({
      ...placeOf(dir),
      imagePath: image,
      frozen: layers.flatMap((layer) =>
        layer.kind === "snapshot" ? (frozenFiles.get(`${layer.id}.${layer.index}`) ?? []) : [],
      ),
    });
    const fresh: DiskLayerRef[] = [{ kind: "image", name: "0".repeat(64) }];

    async function begin(layers: DiskLayerRef[] = fresh): Promise<Life> {
      const dir = join(dataDir, "sandboxes", `sb-${++count}`, "vm-1");
      await mkdir(dir, { recursive: true });
      const made = await store.create(specOf(dir, layers), "root-0");
      return { dir, made, disk: new Disk(made), tops: ["root-0"], layers };
    }

    /** As a pause or a fork does it: freezes, links the tops away, and goes on with the next one if asked to. */
    async function freeze(life: Life, goesOn: boolean): Promise<DiskLayerRef[]> {
      const id = (++count).toString(16).padStart(32, "0");
      const next = goesOn ? `root-${count}` : undefined;
      if (next !== undefined) await store.prepare(placeOf(life.dir), next);
      await store.freeze({ ...placeOf(life.dir), machine: life.disk.machine }, next);
      const own: DiskLayerRef[] = [];
      for (const [index, top] of life.tops.entries()) {
        const path = join(dataDir, `frozen-${id}-${index}`);
        await link(store.path(life, top), path);
        frozenFiles.set(`${id}.${index}`, path);
        own.push({ kind: "snapshot", id, index });
      }
      life.layers = [...store.below(life.layers), ...own];
      life.tops = next === undefined ? [] : [next];
      return life.layers;
    }

    async function end(life: Life): Promise<void> {
      await store.remove(life);
      await rm(life.dir, { recursive: true, force: true });
    }

    it("begin as the image with zeros behind it; lives on one image do not see each other", async () => {
      const [one, two] = [await begin(), await begin()];
      const untouched = { [FIRST]: IMAGE_BYTE, [MIDDLE]: IMAGE_BYTE, [LAST]: IMAGE_BYTE, [BEYOND]: 0 };
      await one.disk.assertHolds(untouched);
      await one.disk.write({ [MIDDLE]: 1, [BEYOND]: 2 });
      await one.disk.assertHolds({ ...untouched, [MIDDLE]: 1, [BEYOND]: 2 });
      await two.disk.assertHolds(untouched);
      await end(one);
      await end(one);
      await two.disk.assertHolds(untouched);
      await end(two);
    });

    it("go on from what was frozen, in any number of lives, which leave it as it was", async () => {
      const source = await begin();
      await source.disk.write({ [FIRST]: 3, [BEYOND]: 4 });
      const saved = await freeze(source, false);
      await end(source);
      const files = [...frozenFiles.values()];
      const before = await Promise.all(files.map((path) => readFile(path)));
      const [one, two] = [await begin(saved), await begin(saved)];
      await one.disk.write({ [FIRST]: 5, [MIDDLE]: 6 });
      await two.disk.assertHolds({ [FIRST]: 3, [MIDDLE]: IMAGE_BYTE, [LAST]: IMAGE_BYTE, [BEYOND]: 4 });
      await one.disk.assertHolds({ [FIRST]: 5, [MIDDLE]: 6, [BEYOND]: 4 });
      for (const life of [one, two]) await end(life);
      for (const [index, path] of files.entries()) {
        assert.ok((await readFile(path)).equals(before[index] ?? Buffer.alloc(0)), `${path} has changed`);
      }
    });

    it("are frozen while they go on, again and again", async () => {
      const source = await begin();
      const moments: { layers: DiskLayerRef[]; byte: number }[] = [];
      for (let byte = 20; byte < 24; byte++) {
        await source.disk.write({ [FIRST]: byte, [byte]: byte });
        moments.push({ layers: await freeze(source, true), byte });
      }
      await source.disk.write({ [FIRST]: 30 });
      await source.disk.assertHolds({ [FIRST]: 30, 20: 20, 21: 21, 22: 22, 23: 23 });
      for (const { layers, byte } of moments) {
        const copy = await begin(layers);
        await copy.disk.assertHolds({ [FIRST]: byte, 20: 20, [byte]: byte, [byte + 1]: IMAGE_BYTE });
        await end(copy);
      }
      await end(source);
    });

    it("keep everything over many generations of pause and resume", async () => {
      let layers = fresh;
      const expected: Record<number, number> = {};
      for (let generation = 1; generation <= 5; generation++) {
        const life = await begin(layers);
        await life.disk.assertHolds(expected);
        const written = { [generation * 7]: generation, [BEYOND]: generation };
        await life.disk.write(written);
        Object.assign(expected, written);
        layers = await freeze(life, false);
        await end(life);
      }
      const last = await begin(layers);
      await last.disk.assertHolds(expected);
      await end(last);
    });

    it("go on where they were when a freeze came to nothing", async () => {
      const life = await begin();
      await life.disk.write({ [FIRST]: 40 });
      await store.freeze({ ...placeOf(life.dir), machine: life.disk.machine }, undefined);
      await life.disk.write({ [MIDDLE]: 41, [BEYOND]: 42 });
      const layers = await freeze(life, false);
      await end(life);
      const next = await begin(layers);
      await next.disk.assertHolds({ [FIRST]: 40, [MIDDLE]: 41, [BEYOND]: 42 });
      await end(next);
    });

    it("that a dead machine leaves are what the next life of its sandbox begins with", async () => {
      const dead = await begin();
      await dead.disk.write({ [FIRST]: 60, [BEYOND]: 61 });
      // It died while it was about to be frozen.
      await store.prepare(placeOf(dead.dir), "root-1");
      const id = basename(dirname(dead.dir));
      const record = {
        id,
        kept: [],
        life: lifeWith(["root-0", "root-1"]),
      } as Partial<SandboxRecord>;
      const kept = await keepTops(store, dataDir, record as SandboxRecord);
      assert.deepEqual(await keepTops(store, dataDir, record as SandboxRecord), kept, "again, after a crash");
      await end(dead);
      assert.deepEqual(await adapter.held(dataDir), [], "what is kept is files alone");
      const left = { ...record, kept, life: null } as SandboxRecord;
      const dir = join(dirname(dead.dir), "vm-2");
      await mkdir(dir);
      const below = topsOfKept(store, left);
      const top = `root-${below.length}`;
      const frozen = await linkKept(store, dataDir, left, placeOf(dir));
      const made = await store.create({ ...specOf(dir, fresh), frozen }, top);
      const life: Life = { dir, made, disk: new Disk(made), tops: [...below, top], layers: fresh };
      await dropKept(dataDir, left);
      await life.disk.assertHolds({ [FIRST]: 60, [MIDDLE]: IMAGE_BYTE, [BEYOND]: 61 });
      await life.disk.write({ [MIDDLE]: 62 });
      const layers = await freeze(life, false);
      await end(life);
      assert.deepEqual(await readdir(dirname(dir)), [], "nothing is left of either life");
      const copy = await begin(layers);
      await copy.disk.assertHolds({ [FIRST]: 60, [MIDDLE]: 62, [BEYOND]: 61 });
      await end(copy);
    });

    it("are adopted by the next agent, which removes what nobody adopted", async () => {
      const kept = await begin();
      const left = await begin();
      await kept.disk.write({ [FIRST]: 50 });
      store = await adapter.open(dataDir);
      const adopted = await store.adopt(specOf(kept.dir, kept.layers), kept.tops);
      assert.deepEqual(adopted, kept.made, "the layers that its machine has");
      await store.sweep();
      assert.deepEqual(await store.sweep(), [], "sweeping again finds nothing");
      await rm(left.dir, { recursive: true, force: true });
      await kept.disk.assertHolds({ [FIRST]: 50 });
      await kept.disk.write({ [FIRST]: 51 });
      const layers = await freeze(kept, true);
      await kept.disk.write({ [FIRST]: 52 });
      await end(kept);
      const copy = await begin(layers);
      await copy.disk.assertHolds({ [FIRST]: 51 });
      await end(copy);
    });

    it("are frozen whole when their agent had died between naming a further top and making it", async () => {
      const life = await begin();
      await life.disk.write({ [FIRST]: 70 });
      await store.prepare(placeOf(life.dir), "root-1");
      store = await adapter.open(dataDir);
      const named = ["root-0", "root-1"];
      await store.adopt(specOf(life.dir, life.layers), named);
      life.tops = await madeTops(store, life.dir, named);
      await life.disk.write({ [MIDDLE]: 71 });
      const layers = await freeze(life, false);
      await end(life);
      const next = await begin(layers);
      await next.disk.assertHolds({ [FIRST]: 70, [MIDDLE]: 71 });
      await end(next);
    });

    it("refuse a layer that was written in another way, and leave nothing", async () => {
      const other = adapter.name === "dm" ? Buffer.from("QFI\xfb", "latin1") : Buffer.from("SnAp");
      const held = await adapter.held(dataDir);
      for (const [content, code] of [
        [Buffer.concat([other, Buffer.alloc(8192)]), "snapshot_incompatible"],
        [Buffer.alloc(8192), "snapshot_damaged"],
        [Buffer.alloc(0), "snapshot_damaged"],
        [undefined, "snapshot_damaged"],
      ] as const) {
        const path = join(dataDir, "strange");
        if (content === undefined) await rm(path);
        else await writeFile(path, content);
        frozenFiles.set(`${"f".repeat(32)}.0`, path);
        const layers: DiskLayerRef[] = [...fresh, { kind: "snapshot", id: "f".repeat(32), index: 0 }];
        await assert.rejects(begin(layers), { code });
        assert.deepEqual(await adapter.held(dataDir), held);
      }
      frozenFiles.delete(`${"f".repeat(32)}.0`);
    });

    it("leave no file when they have been removed", async () => {
      const life = await begin();
      await end(life);
      assert.deepEqual(await readdir(join(life.dir, "..")), []);
    });
  });
}

/** The record of a sandbox's first life. */
function lifeWith(tops: string[]): LifeRecord {
  const guest = { kernel: "", initramfs: "", agentDrive: "" };
  return { number: 1, slot: 0, process: null, base: null, tops, guest };
}
