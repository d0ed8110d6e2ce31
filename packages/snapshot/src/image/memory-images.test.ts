import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { MemoryFile } from "@wrenn/linux";
import { PAGE_BYTES } from "../mapping/page-map.ts";
import type { SnapshotStore } from "../store/store.ts";
import { MEMORY_MB, save, TrialMemory, TrialStore } from "../store/test-store.ts";
import { MemoryImages } from "./memory-images.ts";

const content = (fd: number) => readFileSync(`/proc/self/fd/${fd}`);

/** Images over real memory files, which it counts. */
class TrialImages {
  made = 0;
  readonly open = new Set<MemoryFile>();

  images(store: SnapshotStore, idlePages: number): MemoryImages {
    const create = (name: string, bytes: number) => {
      const file = MemoryFile.create(name, bytes);
      this.made += 1;
      this.open.add(file);
      return {
        fd: file.fd,
        write: file.write.bind(file),
        seal: file.seal.bind(file),
        close: () => {
          this.open.delete(file);
          file.close();
        },
      };
    };
    return new MemoryImages({ store, create, idleBytes: idlePages * PAGE_BYTES });
  }
}

/** A snapshot with that many pages of one byte. */
async function saved(store: SnapshotStore, pages: number): Promise<{ id: string; memory: TrialMemory }> {
  const memory = new TrialMemory();
  for (let page = 0; page < pages; page++) memory.set(page * 3, pages);
  const { id } = await save(store, { origin: { kind: "booted", memoryMb: MEMORY_MB }, memory });
  return { id, memory };
}

describe("MemoryImages", () => {
  it("makes one image for all who ask, which nobody can write", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { id, memory } = await saved(store, 5);
    const files = new TrialImages();
    using images = files.images(store, 100);
    const [a, b] = await Promise.all([images.acquire(id), images.acquire(id)]);
    assert.equal(a.fd, b.fd);
    assert.equal(files.made, 1);
    assert.ok(content(a.fd).equals(memory.bytes));
    assert.throws(() => writeSync(a.fd, "x", 0), { code: "EPERM" });
    assert.equal(images.residentBytes, 5 * PAGE_BYTES);
    a.release();
    a.release();
    assert.ok(content(b.fd).equals(memory.bytes), "the other one still has it");
    b.release();
  });

  it("is the whole memory of a later generation too", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const { id: base, memory } = await saved(store, 5);
    memory.set(3, 0).set(4, 9);
    const { id } = await save(store, { origin: { kind: "continued", parent: base, base }, memory });
    using images = new TrialImages().images(store, 0);
    using image = await images.acquire(id);
    assert.ok(content(image.fd).equals(memory.bytes));
  });

  it("keeps what nobody uses within its bound, the last used longest", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const files = new TrialImages();
    const images = files.images(store, 8);
    const [a, b, c] = await Promise.all([4, 3, 3].map((pages) => saved(store, pages)));
    assert.ok(a && b && c);
    for (const { id } of [a, b]) (await images.acquire(id)).release();
    assert.equal(files.open.size, 2);
    (await images.acquire(a.id)).release();
    assert.equal(files.made, 2, "it was kept");
    (await images.acquire(c.id)).release();
    assert.equal(images.residentBytes, 7 * PAGE_BYTES, "the second one has gone");
    assert.equal(files.open.size, 2);
    images[Symbol.dispose]();
    assert.equal(files.open.size, 0);
  });

  it("closes what was dropped with its last user", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const files = new TrialImages();
    using images = files.images(store, 100);
    const { id, memory } = await saved(store, 2);
    const image = await images.acquire(id);
    images.drop(id);
    assert.ok(content(image.fd).equals(memory.bytes));
    assert.equal(files.open.size, 1);
    image.release();
    assert.equal(files.open.size, 0);
  });

  it("tells everybody who waits when it fails, leaves nothing, and tries again", async () => {
    using trial = new TrialStore();
    using store = await trial.open();
    const files = new TrialImages();
    using images = files.images(store, 100);
    await assert.rejects(images.acquire("0".repeat(32)), { code: "not_found" });
    const { id } = await saved(store, 2);
    const failing = new MemoryImages({
      store,
      create: () => {
        throw new Error("no memory");
      },
      idleBytes: 0,
    });
    const both = await Promise.allSettled([failing.acquire(id), failing.acquire(id)]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    assert.equal(failing.residentBytes, 0);
    (await images.acquire(id)).release();
  });
});
