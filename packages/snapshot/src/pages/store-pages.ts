// What a machine's memory holds that its parent does not: compared page by page, stored once.
import { setImmediate } from "node:timers/promises";
import { PAGE_BYTES, type PageMap, PageMapBuilder } from "../mapping/page-map.ts";
import { PAGE_BUFFER_BYTES, pageBuffers } from "./page-buffers.ts";
import type { PageFile } from "./page-file.ts";
import type { PageSource } from "./page-source.ts";

const BUFFER_PAGES = PAGE_BUFFER_BYTES / PAGE_BYTES;
/** Pages that are read from the guest and from the parent at once; between two such reads other work gets its turn. */
const BATCH_PAGES = BUFFER_PAGES / 2;
const ZEROS = Buffer.alloc(PAGE_BYTES);

/** A guest's memory, as far as it is needed here; offsets in `bytes`. */
export interface ReadableMemory {
  read(offset: number, into: Uint8Array): void;
}

export interface StorePagesOptions {
  /** Id of the build that the pages are stored for. */
  build: string;
  /** What the machine continued from, or a map of zeros for one that was booted. Flat. */
  parent: PageSource;
  /** Ascending numbers of the pages that may differ from the parent. */
  pages: Uint32Array;
  memory: ReadableMemory;
  file: PageFile;
  signal?: AbortSignal | undefined;
}

/** Pages by what became of them. */
export interface StoredPages {
  stored: number;
  zero: number;
  unchanged: number;
}

/**
 * Appends the pages that differ to the build's file. Returns the diff: zero where the guest has zeros and the parent has
 * not, nothing where both are equal. The memory has to stand still until it resolves.
 */
export async function storePages(
  options: StorePagesOptions,
): Promise<{ diff: PageMap; counts: StoredPages }> {
  const { pages, file, signal } = options;
  const diff = new PageMapBuilder(options.parent.map.pages);
  const counts: StoredPages = { stored: 0, zero: 0, unchanged: 0 };
  const parents = pageBuffers.take();
  try {
    let next = 0;
    while (next < pages.length) {
      const buffer = await file.buffer();
      let filled = 0;
      while (next < pages.length && BUFFER_PAGES - filled >= BATCH_PAGES) {
        signal?.throwIfAborted();
        const batch = pages.subarray(next, next + BATCH_PAGES);
        filled += storeBatch(options, { batch, into: buffer, filled, parents, diff, counts });
        next += batch.length;
        await setImmediate();
      }
      file.append(buffer, filled * PAGE_BYTES);
    }
    return { diff: diff.finish(), counts };
  } finally {
    pageBuffers.give(parents);
  }
}

interface Batch {
  batch: Uint32Array;
  into: Buffer;
  /** Pages of `into` that are taken. */
  filled: number;
  parents: Buffer;
  diff: PageMapBuilder;
  counts: StoredPages;
}

/** Reads a batch behind what is in the buffer already and closes the gaps; returns how many pages stay. */
function storeBatch(
  options: StorePagesOptions,
  { batch, into, filled, parents, diff, counts }: Batch,
): number {
  const read = into.subarray(filled * PAGE_BYTES, (filled + batch.length) * PAGE_BYTES);
  readRuns(options.memory, batch, read);
  const isZero = zeroPages(read, batch.length);
  const wasZero = new Uint8Array(batch.length);
  options.parent.gather(batch, parents, { skip: isZero, zeros: wasZero });
  let kept = 0;
  for (let slot = 0; slot < batch.length; slot++) {
    const page = batch[slot] as number;
    const at = slot * PAGE_BYTES;
    if (isZero[slot] === 1) {
      if (wasZero[slot] === 1) counts.unchanged += 1;
      else {
        diff.append(page, page + 1, null, 0);
        counts.zero += 1;
      }
    } else if (wasZero[slot] === 0 && read.compare(parents, at, at + PAGE_BYTES, at, at + PAGE_BYTES) === 0) {
      counts.unchanged += 1;
    } else {
      if (kept !== slot) read.copyWithin(kept * PAGE_BYTES, at, at + PAGE_BYTES);
      diff.append(page, page + 1, options.build, counts.stored);
      counts.stored += 1;
      kept += 1;
    }
  }
  return kept;
}

/** Pages that follow each other in memory are read at once. */
function readRuns(memory: ReadableMemory, pages: Uint32Array, into: Buffer): void {
  for (let from = 0; from < pages.length; ) {
    let to = from + 1;
    while (to < pages.length && pages[to] === (pages[to - 1] as number) + 1) to += 1;
    memory.read((pages[from] as number) * PAGE_BYTES, into.subarray(from * PAGE_BYTES, to * PAGE_BYTES));
    from = to;
  }
}

/** 1 for each page of zeros. Most others are told by their first bytes, without a call into native code. */
function zeroPages(bytes: Buffer, count: number): Uint8Array {
  const zeros = new Uint8Array(count);
  for (let slot = 0; slot < count; slot++) {
    const at = slot * PAGE_BYTES;
    if (bytes[at] !== 0 || bytes[at + 2048] !== 0) continue;
    if (bytes.compare(ZEROS, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) zeros[slot] = 1;
  }
  return zeros;
}
