// What is kept on this machine's disk and for whom: content goes when its last user goes, and not before.
import { stat } from "node:fs/promises";
import type { MemoryImages, SnapshotStore } from "@wrenn/snapshot";
import type { Logger } from "pino";
import type { ImageStore } from "../image/image-store.ts";

/** Somebody who needs content. */
export interface User {
  /** As it is shown: `template minimal`, `sandbox sb-…`. */
  label: string;
  snapshots: readonly string[];
  /** Snapshots of which only the disk's layers are needed, by a disk that lies on them. */
  layers?: readonly string[];
  images: readonly string[];
  /** A sandbox: the files that it has beside them and that go with it. */
  own?: { id: string; files: readonly string[] };
}

export interface StorageEntry {
  kind: "image" | "snapshot" | "sandbox";
  id: string;
  sizeBytes: number;
  usedBy: string[];
}

export interface StorageOptions {
  snapshots: SnapshotStore;
  images: ImageStore;
  /** Shared memory of snapshots, given up with them. */
  memory: Pick<MemoryImages, "drop">;
  log: Logger;
}

/**
 * Content is immutable and has users, never counters: who needs what is asked anew each time, so a crash cannot leave a
 * count wrong. What is being made, or was looked up a moment ago, is held in memory until its user is on record.
 */
export class Storage {
  readonly #options: StorageOptions;
  readonly #users: (() => User[])[] = [];
  #started = false;
  #guarded = 0;
  #wanted = false;
  #collecting: Promise<void> | undefined;

  constructor(options: StorageOptions) {
    this.#options = options;
    options.snapshots.onReleased(() => this.collect());
  }

  /** From here on all users are known, those of an earlier agent's sandboxes too. Nothing is removed before. */
  start(): void {
    this.#started = true;
    this.collect();
  }

  /** Adds a source of users; asked at every collection. */
  addUsers(users: () => User[]): void {
    this.#users.push(users);
  }

  /** Keeps a snapshot while something is made of it; the returned function may be called more than once. */
  hold(id: string): () => void {
    const hold = this.#options.snapshots.hold(id);
    return () => hold[Symbol.dispose]();
  }

  /** Runs work that brings images in before their user is on record; nothing is collected meanwhile. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    this.#guarded++;
    try {
      await this.#collecting;
      return await work();
    } finally {
      this.#guarded--;
      if (this.#wanted) this.collect();
    }
  }

  /** Removes what nobody needs, in the background: now, or when what is under way permits. */
  collect(): void {
    this.#wanted = true;
    if (!this.#started || this.#guarded > 0 || this.#collecting !== undefined) return;
    this.#wanted = false;
    this.#collecting = this.#collect()
      .catch((err: unknown) => this.#options.log.error({ err }, "could not remove what nobody needs"))
      .finally(() => {
        this.#collecting = undefined;
        if (this.#wanted) this.collect();
      });
  }

  /** Resolves when no collection is under way or wanted. */
  async settled(): Promise<void> {
    while (this.#collecting !== undefined) await this.#collecting;
  }

  /** Everything that is kept, with its real size and its users. */
  async describe(): Promise<StorageEntry[]> {
    const { snapshots, images } = this.#options;
    const users = this.#allUsers();
    const roots = users.flatMap(({ label, snapshots: ids, layers = [] }) => [
      ...ids.map((id) => ({ id, label })),
      ...layers.map((id) => ({ id, label, part: "disk" as const })),
    ]);
    const usage = await snapshots.users(roots);
    const ofImage = new Map<string, Set<string>>();
    const note = (image: string, label: string) =>
      ofImage.set(image, (ofImage.get(image) ?? new Set()).add(label));
    for (const { images: names, label } of users) for (const name of names) note(name, label);
    const entries: StorageEntry[] = usage.map(({ id, bytes, need }) => {
      const usedBy = [...new Set([...need.whole, ...need.memory, ...need.disk])].sort();
      // What only holds pages or layers of others boots from nothing.
      for (const name of snapshots.has(id) ? imagesOf(snapshots, id) : [])
        for (const label of usedBy) note(name, label);
      return { kind: "snapshot", id, sizeBytes: bytes, usedBy };
    });
    for (const { name, sizeBytes } of await images.list()) {
      entries.push({ kind: "image", id: name, sizeBytes, usedBy: [...(ofImage.get(name) ?? [])].sort() });
    }
    for (const { own, label } of users) {
      const sizeBytes = own && (await sizeOf(own.files));
      if (own && sizeBytes !== undefined)
        entries.push({ kind: "sandbox", id: own.id, sizeBytes, usedBy: [label] });
    }
    return entries.sort((a, b) => b.sizeBytes - a.sizeBytes);
  }

  async #collect(): Promise<void> {
    const { snapshots, images, log } = this.#options;
    const users = this.#allUsers();
    const gone = await snapshots.collect(
      users.flatMap((user) => user.snapshots),
      users.flatMap((user) => user.layers ?? []),
    );
    for (const id of gone) this.#options.memory.drop(id);
    const needed = () =>
      new Set([
        ...this.#allUsers().flatMap((user) => user.images),
        ...snapshots.list().flatMap(({ id }) => imagesOf(snapshots, id)),
      ]);
    const imagesGone = await images.sweep(needed);
    if (gone.length + imagesGone.length > 0)
      log.info({ snapshots: gone, images: imagesGone }, "removed what nobody needs");
  }

  #allUsers(): User[] {
    return this.#users.flatMap((users) => users());
  }
}

/** Blocks × 512 of the files that are there, each once whatever its names; undefined when there is none. */
async function sizeOf(files: readonly string[]): Promise<number | undefined> {
  const sizes = new Map<number, number>();
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found) sizes.set(found.ino, found.blocks * 512);
  }
  return sizes.size === 0 ? undefined : [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** What a snapshot boots from and lies on. */
function imagesOf(snapshots: SnapshotStore, id: string): string[] {
  const { images, disk } = snapshots.get(id).manifest;
  return [...Object.values(images), ...disk.flatMap((layer) => (layer.kind === "image" ? [layer.name] : []))];
}
