// What a thread that serves faults tells about itself without being asked: numbers in memory that both threads see.
import type { PageRange } from "@wrenn/core";

/** What has happened so far, in pages where nothing else is said. */
export interface FaultCounts {
  /** Times that the machine waited. */
  faults: number;
  /** Loaded because of a fault, neighbours included. */
  copied: number;
  zeroed: number;
  /** Loaded before anybody asked. */
  prefetched: number;
  /** Given back by the machine. */
  removed: number;
}

/** Ranges that are remembered; what comes later is not. */
export const MAX_TOUCHED_RANGES = 32_768;

/** Places of the numbers. The first ranges follow. */
const AT = {
  faults: 0,
  copied: 1,
  zeroed: 2,
  prefetched: 3,
  removed: 4,
  reads: 5,
  reading: 6,
  ranges: 7,
} as const;
const FIRST_RANGE = 8;

/** Written by one thread, read by any. Counts wrap at 2^32. */
export class Tally {
  readonly memory: SharedArrayBuffer;
  readonly #words: Uint32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer((FIRST_RANGE + 2 * MAX_TOUCHED_RANGES) * 4)) {
    this.memory = memory;
    this.#words = new Uint32Array(memory);
  }

  add(what: keyof FaultCounts, count: number): void {
    const at = AT[what];
    this.#words[at] = (this.#words[at] as number) + count;
  }

  counts(): FaultCounts {
    const read = (what: keyof FaultCounts) => Atomics.load(this.#words, AT[what]);
    return {
      faults: read("faults"),
      copied: read("copied"),
      zeroed: read("zeroed"),
      prefetched: read("prefetched"),
      removed: read("removed"),
    };
  }

  /** Remembers pages that a fault has loaded, behind those before them. */
  touch(start: number, count: number): void {
    const ranges = this.#words[AT.ranges] as number;
    const last = FIRST_RANGE + 2 * ranges - 2;
    if (ranges > 0 && (this.#words[last] as number) + (this.#words[last + 1] as number) === start) {
      this.#words[last + 1] = (this.#words[last + 1] as number) + count;
      return;
    }
    if (ranges === MAX_TOUCHED_RANGES) return;
    this.#words[last + 2] = start;
    this.#words[last + 3] = count;
    Atomics.store(this.#words, AT.ranges, ranges + 1);
  }

  /** What faults have loaded so far, in that order. Each page once, unless the machine gave it back in between. */
  touched(): PageRange[] {
    const ranges = Atomics.load(this.#words, AT.ranges);
    return Array.from({ length: ranges }, (_, i) => ({
      start: this.#words[FIRST_RANGE + 2 * i] as number,
      count: this.#words[FIRST_RANGE + 2 * i + 1] as number,
    }));
  }

  /** Around everything that may take as long as a disk takes. */
  beginRead(): void {
    Atomics.add(this.#words, AT.reads, 1);
    Atomics.store(this.#words, AT.reading, 1);
  }

  endRead(): void {
    Atomics.store(this.#words, AT.reading, 0);
  }

  /** Number of the read that goes on at the moment; undefined when there is none. */
  currentRead(): number | undefined {
    const read = Atomics.load(this.#words, AT.reads);
    return Atomics.load(this.#words, AT.reading) === 1 ? read : undefined;
  }
}
