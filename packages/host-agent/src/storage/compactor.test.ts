import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { run } from "@wrenn/linux";
import { type DiskLayerRef, type SnapshotFacts, SnapshotStore } from "@wrenn/snapshot";
import { pino } from "pino";
import { ImageStore } from "../image/image-store.ts";
import type { SandboxRecord } from "../sandbox/record.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { SandboxTable } from "../sandbox/table.ts";
import { Compactor } from "./compactor.ts";
import { Storage } from "./storage.ts";

/** An id that no block has. */
const UID = 1_999_996_000;
const DISK_MB = 1024;
const IMAGE = "4".repeat(64);
const quick = { timeoutMs: 30_000 };

const FACTS: Omit<SnapshotFacts, "disk"> = {
  createdAt: 0,
  vcpus: 1,
  diskMb: DISK_MB,
  accelerator: "tcg",
  vmm: {},
  images: { kernel: IMAGE, initramfs: IMAGE, agentDrive: IMAGE },
  commandLine: "",
  tscKhz: 1,
  token: "t",
  template: "minimal",
};

/** A paused sandbox with one disk layer more than may be, each with bytes of its own, in a store of its own. */
class Scene implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "wrenn-compactor-"));
  readonly image = join(this.dir, "image");

  async make(): Promise<{ store: SnapshotStore; sandbox: Sandbox; compactor: Compactor }> {
    await writeFile(this.image, "");
    await truncate(this.image, DISK_MB * 1024 * 1024);
    const store = await SnapshotStore.open(this.dir);
    let disk: DiskLayerRef[] = [{ kind: "image", name: IMAGE }];
    let parent: string | undefined;
    let base = "";
    for (let n = 0; n < 9; n++) {
      await using draft = await store.begin(
        parent === undefined ? { kind: "booted", memoryMb: 128 } : { kind: "continued", parent, base },
      );
      const page = Buffer.alloc(4096, n + 1);
      await draft.storePages({ read: (_, into) => into.set(page) }, Uint32Array.of(n));
      await writeFile(draft.devicesPath, "devices");
      await this.#layer(store, disk, { n, path: draft.diskPath(0) });
      const snapshot = await draft.commit({ ...FACTS, disk });
      disk = snapshot.manifest.disk;
      parent = snapshot.id;
      base ||= snapshot.id;
    }
    const id = newSandboxId();
    await mkdir(join(this.dir, "sandboxes", id), { recursive: true });
    const record = { version: 2, id, status: "paused", snapshot: parent ?? null, layers: disk, life: null };
    const sandbox = new Sandbox(record as unknown as SandboxRecord);
    const compactor = new Compactor({
      snapshots: store,
      images: { path: () => this.image } as unknown as ImageStore,
      storage: { collect: () => {} } as unknown as Storage,
      dataDir: this.dir,
      mergesLayers: true,
      uid: UID,
      log: pino({ level: "silent" }),
    });
    return { store, sandbox, compactor };
  }

  /** The disk as one image, for qemu-img. */
  disk(store: SnapshotStore, layers: readonly DiskLayerRef[], top?: string): string {
    const paths = layers.flatMap((layer) => (layer.kind === "snapshot" ? store.diskPath(layer) : []));
    let node: unknown = { driver: "raw", file: { driver: "file", filename: this.image } };
    for (const filename of top === undefined ? paths : [...paths, top]) {
      node = { driver: "qcow2", file: { driver: "file", filename }, backing: node };
    }
    return `json:${JSON.stringify(node)}`;
  }

  async #layer(store: SnapshotStore, below: DiskLayerRef[], { n, path }: { n: number; path: string }) {
    const work = join(this.dir, "layer");
    await run(["qemu-img", "create", "-q", "-f", "qcow2", work, `${DISK_MB}M`], quick);
    const write = `write -P ${n + 1} ${n * 100}k 150k`;
    await run(["qemu-io", "-c", write, this.disk(store, below, work)], quick);
    await copyFile(work, path);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}

describe("Compactor", () => {
  it("gives a paused sandbox a short history that says the same", async () => {
    using scene = new Scene();
    const { store, sandbox, compactor } = await scene.make();
    const old = sandbox.record;
    compactor.consider(sandbox);
    await compactor.settled();
    assert.notEqual(sandbox.record.snapshot, old.snapshot);
    const { manifest } = store.get(sandbox.record.snapshot ?? "");
    assert.equal(manifest.replaces, old.snapshot);
    assert.deepEqual(sandbox.record.layers, manifest.disk);
    assert.ok(manifest.disk.length <= 9);
    await run(
      ["qemu-img", "compare", scene.disk(store, old.layers), scene.disk(store, sandbox.record.layers)],
      quick,
    );
    const page = Buffer.alloc(4096);
    (await store.pages(manifest.id)).read(8, page);
    assert.ok(page.every((byte) => byte === 9));
    await store.collect([manifest.id]);
    await store.verify(manifest.id);
    await compactor.close();
  });

  it("changes nothing for a sandbox that has another generation by then", async () => {
    using scene = new Scene();
    const { store, sandbox, compactor } = await scene.make();
    const { snapshot } = sandbox.record;
    await sandbox.lock.runExclusive(async () => {
      compactor.consider(sandbox);
      while (store.list().length < 10) await new Promise((resolve) => setImmediate(resolve));
      sandbox.record = { ...sandbox.record, snapshot: "0".repeat(32) };
    });
    await compactor.settled();
    assert.equal(sandbox.record.snapshot, "0".repeat(32));
    await store.collect([snapshot ?? ""]);
    assert.equal(store.list().length, 2, "what was made is garbage");
    await compactor.close();
  });

  it("keeps what the record on disk names when the new one cannot be written", async () => {
    using scene = new Scene();
    const { store, sandbox, compactor } = await scene.make();
    const images = await ImageStore.open(scene.dir);
    const log = pino({ level: "silent" });
    /** What an agent with that sandbox collects. */
    const collect = async (snapshots: SnapshotStore, owned: Sandbox) => {
      const table = new SandboxTable();
      table.takeIn(owned);
      const storage = new Storage({ snapshots, images, memory: { drop: () => {} }, log });
      storage.addUsers(() => table.users(() => []));
      storage.start();
      await storage.settled();
    };
    await sandbox.write(scene.dir);
    const onDisk = sandbox.record;
    // A directory under the name of the file that is about to be written: as a full disk, it lets nothing be written.
    const blocked = join(scene.dir, "sandboxes", sandbox.id, "sandbox.json.new");
    await mkdir(blocked);
    compactor.consider(sandbox);
    await compactor.settled();
    assert.notEqual(sandbox.record.snapshot, onDisk.snapshot);
    await collect(store, sandbox);
    const next = await SnapshotStore.open(scene.dir);
    await collect(next, new Sandbox(onDisk));
    await next.verify(onDisk.snapshot ?? "");
    // Written after all: what came before is nobody's.
    rmSync(blocked, { recursive: true });
    await sandbox.write(scene.dir);
    assert.deepEqual(sandbox.claims, [sandbox.record]);
    await compactor.close();
  });

  it("stops when the agent does", async () => {
    using scene = new Scene();
    const { store, sandbox, compactor } = await scene.make();
    const { snapshot } = sandbox.record;
    compactor.consider(sandbox);
    await compactor.close();
    compactor.consider(sandbox);
    await compactor.close();
    assert.equal(sandbox.record.snapshot, snapshot);
    await store.collect([snapshot ?? ""]);
    assert.equal(store.list().length, 2);
  });
});
