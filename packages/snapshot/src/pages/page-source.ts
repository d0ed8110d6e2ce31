// Reading any page of a memory through its map.
import { firstEndingAfter, slice } from "../mapping/look-up.ts";
import { PAGE_BYTES, type PageMap } from "../mapping/page-map.ts";
import type { BuildReader } from "./build-files.ts";

/** A memory of which each page is found in the same time, however many generations it is made of. */
export class PageSource {
  readonly map: PageMap;
  readonly #reader: BuildReader;

  constructor(map: PageMap, reader: BuildReader) {
    this.map = map;
    this.#reader = reader;
  }

  /** Fills `into`, a whole number of pages, from a page on. What the map does not cover is zero. */
  read(page: number, into: Uint8Array): void {
    let filled = page;
    const at = (p: number) => (p - page) * PAGE_BYTES;
    for (const { start, end, build, offset } of slice(this.map, page, page + into.length / PAGE_BYTES)) {
      if (start > filled) into.fill(0, at(filled), at(start));
      if (build === null) into.fill(0, at(start), at(end));
      else this.#reader.read(build, offset, into.subarray(at(start), at(end)));
      filled = end;
    }
    into.fill(0, at(filled));
  }

  /**
   * Reads single pages, given in ascending order, one behind the other into `into`. Pages that lie behind one another in
   * a file are read at once, also when they are far apart in memory. Where `skip` says so, and where the memory is zero,
   * nothing is written; `zeros` tells afterwards which pages were zero.
   */
  gather(
    pages: Uint32Array,
    into: Uint8Array,
    { skip, zeros }: { skip: Uint8Array; zeros: Uint8Array },
  ): void {
    const run = { build: "", offset: 0, slot: 0, count: 0 };
    const flush = () => {
      if (run.count === 0) return;
      const at = run.slot * PAGE_BYTES;
      this.#reader.read(run.build, run.offset, into.subarray(at, at + run.count * PAGE_BYTES));
      run.count = 0;
    };
    let index = firstEndingAfter(this.map.ends, pages[0] ?? 0);
    for (let slot = 0; slot < pages.length; slot++) {
      const page = pages[slot] as number;
      while (index < this.map.ends.length && (this.map.ends[index] as number) <= page) index += 1;
      const covered = index < this.map.starts.length && (this.map.starts[index] as number) <= page;
      const owner = covered ? (this.map.owners[index] as number) : 0;
      zeros[slot] = owner === 0 ? 1 : 0;
      if (owner === 0 || skip[slot] === 1) continue;
      const build = this.map.builds[owner - 1] as string;
      const offset = (this.map.offsets[index] as number) + page - (this.map.starts[index] as number);
      if (
        run.count > 0 &&
        slot === run.slot + run.count &&
        build === run.build &&
        offset === run.offset + run.count
      ) {
        run.count += 1;
        continue;
      }
      flush();
      Object.assign(run, { build, offset, slot, count: 1 });
    }
    flush();
  }
}
