// Whole memories that machines are started from, each held once however many machines share it.

import { livePages } from "../mapping/live.ts";
import { PAGE_BYTES } from "../mapping/page-map.ts";
import type { SnapshotStore } from "../store/store.ts";

/** Memory with a descriptor, as `MemoryFile` of `@wrenn/linux` provides it. */
export interface ImageFile {
  readonly fd: number;
  write(offset: number, bytes: Uint8Array): void;
  /** From here on nobody can change or resize it. */
  seal(): void;
  close(): void;
}

export interface MemoryImagesOptions {
  store: SnapshotStore;
  /** `MemoryFile.create`. */
  create: (name: string, bytes: number) => ImageFile;
  /** Bytes that images which no machine uses may keep. */
  idleBytes: number;
}

/** A lease of an image. The descriptor is valid until `release`, which may be called more than once. */
export interface MemoryImage extends Disposable {
  readonly fd: number;
  release(): void;
}

interface Entry {
  file: Promise<ImageFile>;
  /** The same once it is there. */
  ready: ImageFile | undefined;
  users: number;
  /** What it takes: its pages that are not zero. 0 until it is there. */
  bytes: number;
  /** Nobody gets it any more; its last user closes it. */
  dropped: boolean;
}

export class MemoryImages implements Disposable {
  readonly #options: MemoryImagesOptions;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: MemoryImagesOptions) {
    this.#options = options;
  }

  /**
   * The snapshot's memory in a sealed file. Whoever asks while it is being filled waits for the same one. Throws
   * `not_found`, or `snapshot_damaged` when it is not what was saved.
   */
  async acquire(id: string): Promise<MemoryImage> {
    const entry = this.#entries.get(id) ?? this.#start(id);
    entry.users += 1;
    try {
      return this.#lease(id, entry, await entry.file);
    } catch (reason) {
      if (this.#entries.get(id) === entry) this.#entries.delete(id);
      throw reason;
    }
  }

  /** Memory that all images take, used or not, in `bytes`. */
  get residentBytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Gives up the image of a snapshot that has gone; one in use goes with its last user. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    entry.dropped = true;
    // Without users it is complete: whoever asked for it was given it.
    if (entry.users === 0) entry.ready?.close();
  }

  /** Gives up all images that are not in use. */
  [Symbol.dispose](): void {
    this.#evict(0);
  }

  #start(id: string): Entry {
    const entry: Entry = { file: undefined as never, ready: undefined, users: 0, bytes: 0, dropped: false };
    entry.file = this.#materialise(id, entry);
    this.#entries.set(id, entry);
    return entry;
  }

  /** Zeros are left out: a fresh file has them already, and they take no memory. */
  async #materialise(id: string, entry: Entry): Promise<ImageFile> {
    const { store, create } = this.#options;
    using _hold = store.hold(id);
    const map = await store.map(id);
    const file = create(`wrenn-${id.slice(0, 12)}`, map.pages * PAGE_BYTES);
    try {
      await store.written.visit(map, (piece) => {
        if (piece.kind === "data") file.write(piece.offset, piece.bytes);
      });
      file.seal();
      entry.ready = file;
      entry.bytes = sum(livePages(map).values()) * PAGE_BYTES;
      return file;
    } catch (reason) {
      file.close();
      throw reason;
    }
  }

  #lease(id: string, entry: Entry, file: ImageFile): MemoryImage {
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      entry.users -= 1;
      if (entry.users > 0) return;
      if (entry.dropped) file.close();
      else {
        this.#touch(id, entry);
        this.#evict(this.#options.idleBytes);
      }
    };
    return { fd: file.fd, release, [Symbol.dispose]: release };
  }

  #touch(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  /** Closes what was not used for longest until the rest fits. */
  #evict(limit: number): void {
    const idle = [...this.#entries].filter(([, { users }]) => users === 0);
    let left = sum(idle.map(([, { bytes }]) => bytes));
    for (const [id, { bytes }] of idle) {
      if (left <= limit) return;
      left -= bytes;
      this.drop(id);
    }
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
