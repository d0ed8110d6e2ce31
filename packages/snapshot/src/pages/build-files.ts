// Reading builds' page files, with the few descriptors that are in use kept open.
import { closeSync, openSync, readSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { PAGE_BYTES } from "../mapping/page-map.ts";

/** Where a map's pages are read from. */
export interface BuildReader {
  /** Fills `into` with whole pages of a build's file from a page number on. Throws when they are not all there. */
  read(build: string, page: number, into: Uint8Array): void;
}

const DEFAULT_OPEN = 32;

/**
 * The `memory.bin` files below a store. Reads are synchronous: they are large or come from the page cache, and a
 * thread's hand-over would cost more than either. At most `maxOpen` descriptors, the least recently used goes first.
 */
export class BuildFiles implements BuildReader, Disposable {
  readonly #path: (build: string) => string;
  readonly #maxOpen: number;
  readonly #open = new Map<string, number>();

  constructor(path: (build: string) => string, maxOpen = DEFAULT_OPEN) {
    this.#path = path;
    this.#maxOpen = maxOpen;
  }

  read(build: string, page: number, into: Uint8Array): void {
    const fd = this.#descriptor(build);
    const position = page * PAGE_BYTES;
    for (let done = 0; done < into.length; ) {
      const count = readSync(fd, into, done, into.length - done, position + done);
      if (count === 0) {
        throw new WrennError(
          "internal",
          `memory of snapshot ${build} ends before page ${page}: it is damaged`,
        );
      }
      done += count;
    }
  }

  /** Closes a build's file; it is about to go. */
  forget(build: string): void {
    const fd = this.#open.get(build);
    if (fd === undefined) return;
    this.#open.delete(build);
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    for (const build of [...this.#open.keys()]) this.forget(build);
  }

  #descriptor(build: string): number {
    const known = this.#open.get(build);
    const fd = known ?? openSync(this.#path(build), "r");
    // Insertion order is order of use.
    this.#open.delete(build);
    this.#open.set(build, fd);
    const [oldest] = this.#open.keys();
    if (this.#open.size > this.#maxOpen && oldest !== undefined) this.forget(oldest);
    return fd;
  }
}
