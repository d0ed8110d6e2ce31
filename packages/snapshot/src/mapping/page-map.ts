// Where each page of a memory is stored: sorted ranges of pages, and the builds that they lie in.
import { WrennError } from "@wrenn/core";

/** Bytes of a page, and of a block in a build's `memory.bin`. */
export const PAGE_BYTES = 4096;

/** Builds that one map may refer to. */
export const MAX_BUILDS = 65_535;

/**
 * Sorted, disjoint ranges of pages in columns. A page in a range is either stored in a build or zero; a page in none is
 * *unchanged*: the map says nothing about it. A map that covers every page is *flat*: it describes a whole memory by
 * itself. One that does not is a diff. Always normalised: neighbours whose pages follow each other in the same file are
 * one range, and so are neighbours of zeros.
 */
export interface PageMap {
  /** Pages of the whole memory. */
  readonly pages: number;
  /** Ids of the builds, in the order in which the ranges refer to them first; each is referred to. */
  readonly builds: readonly string[];
  /** First page of each range. */
  readonly starts: Uint32Array;
  /** Page after the last one of each range. */
  readonly ends: Uint32Array;
  /** 0 = zero, n = `builds[n - 1]`. */
  readonly owners: Uint16Array;
  /** Where the range starts in its build's file, in pages; 0 for zeros. */
  readonly offsets: Uint32Array;
}

/** One range, spelled out. */
export interface Segment {
  start: number;
  end: number;
  /** Null = zero. */
  build: string | null;
  /** In pages. */
  offset: number;
}

/** A memory of which nothing was ever written. */
export function zeroMap(pages: number): PageMap {
  return pageMap(pages, [{ start: 0, end: pages, build: null, offset: 0 }]);
}

/** A map from ranges in ascending order. Throws when they overlap, are empty or reach outside of the memory. */
export function pageMap(pages: number, segments: Iterable<Segment>): PageMap {
  const builder = new PageMapBuilder(pages);
  for (const { start, end, build, offset } of segments) builder.append(start, end, build, offset);
  return builder.finish();
}

/** Whether every page is covered. */
export function isFlat({ pages, starts, ends }: PageMap): boolean {
  let covered = 0;
  for (let i = 0; i < starts.length; i++) {
    if (starts[i] !== covered) return false;
    covered = ends[i] as number;
  }
  return covered === pages;
}

/** The range at an index. */
export function segmentAt(map: PageMap, index: number): Segment {
  const owner = map.owners[index] as number;
  return {
    start: map.starts[index] as number,
    end: map.ends[index] as number,
    build: owner === 0 ? null : (map.builds[owner - 1] as string),
    offset: map.offsets[index] as number,
  };
}

/** All ranges in order. */
export function* segments(map: PageMap): Generator<Segment> {
  for (let i = 0; i < map.starts.length; i++) yield segmentAt(map, i);
}

/** Takes ranges in ascending order and joins neighbours that belong together. */
export class PageMapBuilder {
  readonly #pages: number;
  readonly #owners = new Map<string, number>();
  /** Four numbers a range: start, end, owner, offset. */
  #rows = new Uint32Array(64 * 4);
  #count = 0;

  constructor(pages: number) {
    if (!Number.isInteger(pages) || pages < 0 || pages > 0xffff_ffff) throw wrong(`${pages} pages`);
    this.#pages = pages;
  }

  append(start: number, end: number, build: string | null, offset: number): void {
    const last = this.#count * 4 - 4;
    const covered = this.#count === 0 ? 0 : (this.#rows[last + 1] as number);
    if (!(start >= covered && end > start && end <= this.#pages)) {
      throw wrong(`range ${start} to ${end} after ${covered} of ${this.#pages}`);
    }
    if (build !== null && !(offset >= 0 && offset + (end - start) <= 0xffff_ffff)) {
      throw wrong(`offset ${offset}`);
    }
    const owner = build === null ? 0 : this.#owner(build);
    const place = build === null ? 0 : offset;
    if (this.#count > 0 && covered === start && this.#rows[last + 2] === owner) {
      const follows = (this.#rows[last + 3] as number) + covered - (this.#rows[last] as number);
      if (owner === 0 || follows === place) {
        this.#rows[last + 1] = end;
        return;
      }
    }
    this.#push(start, end, owner, place);
  }

  finish(): PageMap {
    const count = this.#count;
    const column = (at: number) => Uint32Array.from({ length: count }, (_, i) => this.#rows[i * 4 + at] ?? 0);
    return {
      pages: this.#pages,
      builds: [...this.#owners.keys()],
      starts: column(0),
      ends: column(1),
      owners: Uint16Array.from(column(2)),
      offsets: column(3),
    };
  }

  #owner(build: string): number {
    const known = this.#owners.get(build);
    if (known !== undefined) return known;
    if (this.#owners.size === MAX_BUILDS) throw wrong(`more than ${MAX_BUILDS} builds`);
    this.#owners.set(build, this.#owners.size + 1);
    return this.#owners.size;
  }

  #push(start: number, end: number, owner: number, offset: number): void {
    if ((this.#count + 1) * 4 > this.#rows.length) {
      const larger = new Uint32Array(this.#rows.length * 2);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    const at = this.#count * 4;
    this.#rows[at] = start;
    this.#rows[at + 1] = end;
    this.#rows[at + 2] = owner;
    this.#rows[at + 3] = offset;
    this.#count += 1;
  }
}

function wrong(what: string): WrennError {
  return new WrennError("internal", `a page map cannot hold ${what}`);
}
