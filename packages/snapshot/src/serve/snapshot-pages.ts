// The pages of a snapshot for a machine that runs while they arrive: `LazyPages` of @wrenn/core over a flat map.
import { type LazyPages, type LazyPagesRef, type PageRange, type PageRun, WrennError } from "@wrenn/core";
import { firstEndingAfter } from "../mapping/look-up.ts";
import { isFlat, PAGE_BYTES, type PageMap } from "../mapping/page-map.ts";
import { BuildFiles, type BuildReader } from "../pages/build-files.ts";

/** What {@link openLazyPages} is given. */
export interface SnapshotPagesData {
  /** Flat. */
  map: PageMap;
  /** The file of each of the map's builds, in the map's order. */
  paths: readonly string[];
  workingSet: readonly PageRange[];
}

/** A snapshot's memory as something that a worker thread opens. Its builds have to be held until that is done with it. */
export function lazyPagesRef(data: SnapshotPagesData): LazyPagesRef {
  return { module: import.meta.url, data };
}

/** The export that a {@link LazyPagesRef} promises. */
export function openLazyPages(data: unknown): LazyPages {
  const { map, paths, workingSet } = data as SnapshotPagesData;
  const places = new Map(map.builds.map((build, i) => [build, paths[i]]));
  const files = new BuildFiles((build) => {
    const path = places.get(build);
    if (path === undefined) throw new WrennError("internal", `no file is known for the pages of ${build}`);
    return path;
  });
  return new SnapshotPages({ map, reader: files, workingSet, release: () => files[Symbol.dispose]() });
}

export class SnapshotPages implements LazyPages {
  readonly pages: number;
  readonly workingSet: readonly PageRange[];
  readonly #map: PageMap;
  readonly #reader: BuildReader;
  readonly #release: () => void;

  constructor(parts: {
    map: PageMap;
    reader: BuildReader;
    workingSet: readonly PageRange[];
    release?: () => void;
  }) {
    if (!isFlat(parts.map)) throw new WrennError("internal", "only a flat map can be served");
    this.pages = parts.map.pages;
    this.workingSet = parts.workingSet;
    this.#map = parts.map;
    this.#reader = parts.reader;
    this.#release = parts.release ?? (() => {});
  }

  /** Ranges of several builds that follow each other are one run. */
  run(page: number, limit: number): PageRun {
    const { starts, ends, owners } = this.#map;
    if (!(page >= 0 && page < this.pages && limit >= 1)) {
      throw new WrennError("internal", `page ${page} is not within a memory of ${this.pages}`);
    }
    let index = firstEndingAfter(ends, page);
    const zero = owners[index] === 0;
    const stop = page + limit;
    while (index + 1 < starts.length && (ends[index] as number) < stop) {
      if ((owners[index + 1] === 0) !== zero) break;
      index += 1;
    }
    return { zero, count: Math.min(ends[index] as number, stop) - page };
  }

  /** As {@link PageSource.read}, without its intermediate objects: this is done for every fault. */
  read(page: number, into: Uint8Array): void {
    const { starts, ends, owners, offsets, builds } = this.#map;
    const stop = page + into.length / PAGE_BYTES;
    for (let at = page, index = firstEndingAfter(ends, page); at < stop; index++) {
      const end = Math.min(ends[index] as number, stop);
      const build = builds[(owners[index] as number) - 1] as string;
      const offset = (offsets[index] as number) + at - (starts[index] as number);
      const isAll = at === page && end === stop;
      const part = isAll ? into : into.subarray((at - page) * PAGE_BYTES, (end - page) * PAGE_BYTES);
      this.#reader.read(build, offset, part);
      at = end;
    }
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
