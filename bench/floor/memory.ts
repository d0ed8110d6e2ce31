// A machine's memory by hand: pagemap in one read, pages through /proc/PID/mem. Imports nothing of the platform.
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

const PAGE = 4096;
const BATCH_BYTES = 2 * 1024 * 1024;
const ZERO = Buffer.alloc(PAGE);

/** Pages that follow each other in memory and in a file; numbers of pages. */
export interface Run {
  page: number;
  count: number;
}

/** A file of saved pages, and which they are. */
export interface Saved {
  file: number;
  runs: readonly Run[];
}

export class Memory {
  readonly #mem: number;
  readonly #pagemap: number;
  readonly #start: number;
  readonly #pages: number;

  constructor(pid: number, start: number, bytes: number) {
    this.#mem = openSync(`/proc/${pid}/mem`, "r+");
    this.#pagemap = openSync(`/proc/${pid}/pagemap`, "r");
    this.#start = start;
    this.#pages = bytes / PAGE;
  }

  close(): void {
    closeSync(this.#mem);
    closeSync(this.#pagemap);
  }

  /**
   * Writes the pages that are the machine's own and differ from what was saved last to a file, one behind the other: that is
   * `image` (a descriptor), and over it what `earlier` holds. Returns which they are. The machine stands still.
   */
  async save(file: FileHandle, image: number, earlier?: Saved): Promise<Run[]> {
    const runs: Run[] = [];
    const isSavedEarlier = earlier === undefined ? undefined : comparison(earlier, this.#pages);
    const ours = Buffer.allocUnsafeSlow(BATCH_BYTES);
    const theirs = Buffer.allocUnsafeSlow(BATCH_BYTES);
    let out = Buffer.allocUnsafeSlow(BATCH_BYTES);
    let spare = Buffer.allocUnsafeSlow(BATCH_BYTES);
    let filled = 0;
    let position = 0;
    let writing: Promise<unknown> = Promise.resolve();
    const flush = async () => {
      await writing;
      writing = file.write(out, 0, filled, position);
      position += filled;
      filled = 0;
      [out, spare] = [spare, out];
    };
    for (const { page, count } of this.#ownRuns()) {
      for (let done = 0; done < count; done += BATCH_BYTES / PAGE) {
        const size = Math.min(count - done, BATCH_BYTES / PAGE) * PAGE;
        readSync(this.#mem, ours, 0, size, this.#start + (page + done) * PAGE);
        const known = readSync(image, theirs, 0, size, (page + done) * PAGE);
        for (let at = 0; at < size; at += PAGE) {
          const number = page + done + at / PAGE;
          const saved = isSavedEarlier?.(number, ours, at);
          if (saved ?? (known === size && ours.compare(theirs, at, at + PAGE, at, at + PAGE) === 0)) continue;
          if (filled === BATCH_BYTES) await flush();
          ours.copy(out, filled, at, at + PAGE);
          filled += PAGE;
          append(runs, number);
        }
      }
    }
    await flush();
    await writing;
    return runs;
  }

  /** Writes saved pages into the machine. */
  fill(file: number, runs: readonly Run[]): void {
    copyRuns(runs, file, (bytes, offset) =>
      writeSync(this.#mem, bytes, 0, bytes.length, this.#start + offset),
    );
  }

  /** Present and no page of a file (bit 61), or swapped out (bit 62): see the kernel's admin-guide/mm/pagemap.rst. */
  #ownRuns(): Run[] {
    const entries = new BigUint64Array(this.#pages);
    readSync(this.#pagemap, entries, 0, entries.byteLength, (this.#start / PAGE) * 8);
    // The upper halves hold all bits of interest, and numbers are quicker than bigints.
    const halves = new Uint32Array(entries.buffer);
    const runs: Run[] = [];
    for (let page = 0; page < this.#pages; page++) {
      const flags = halves[page * 2 + 1] as number;
      if (flags >>> 30 === 0) continue;
      if (flags & 0x40000000 || !(flags & 0x20000000)) append(runs, page);
    }
    return runs;
  }
}

/** The pages of an image that are not zero. */
export function dataRuns(image: number, bytes: number): Run[] {
  const runs: Run[] = [];
  const buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  for (let offset = 0; offset < bytes; offset += BATCH_BYTES) {
    readSync(image, buffer, 0, BATCH_BYTES, offset);
    for (let at = 0; at < BATCH_BYTES; at += PAGE) {
      if (buffer.compare(ZERO, 0, PAGE, at, at + PAGE) !== 0) append(runs, (offset + at) / PAGE);
    }
  }
  return runs;
}

/** Reads runs that lie one behind the other in a file and hands them over with their places in memory, `bytes`. */
export function copyRuns(
  runs: readonly Run[],
  file: number,
  put: (bytes: Buffer, offset: number) => void,
): void {
  let position = 0;
  const buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  for (const { page, count } of runs) {
    for (let done = 0; done < count * PAGE; ) {
      const size = readSync(file, buffer, 0, Math.min(count * PAGE - done, BATCH_BYTES), position);
      put(buffer.subarray(0, size), page * PAGE + done);
      done += size;
      position += size;
    }
  }
}

/** Whether a page is as it was saved; undefined when it was not. */
function comparison(
  { file, runs }: Saved,
  pages: number,
): (page: number, bytes: Buffer, at: number) => boolean | undefined {
  const places = new Int32Array(pages).fill(-1);
  let place = 0;
  for (const { page, count } of runs) for (let n = 0; n < count; n++) places[page + n] = place++;
  const saved = Buffer.allocUnsafe(PAGE);
  return (page, bytes, at) => {
    const found = places[page] as number;
    if (found < 0) return undefined;
    readSync(file, saved, 0, PAGE, found * PAGE);
    return bytes.compare(saved, 0, PAGE, at, at + PAGE) === 0;
  };
}

function append(runs: Run[], page: number): void {
  const last = runs.at(-1);
  if (last && last.page + last.count === page) last.count += 1;
  else runs.push({ page, count: 1 });
}
