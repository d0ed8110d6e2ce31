// Which pages are loaded before anybody asks, and when: an earlier machine's working set, and all others once that is wanted,
// at a bounded rate.
import type { PageRange } from "@wrenn/core";
import { PAGE_BYTES } from "../vmm.ts";

/** Goes once through the ranges in their order. */
export class Prefetch {
  readonly #ranges: PageRange[];
  readonly #bytesPerMs: number;
  #range = 0;
  /** In pages of the range. */
  #offset = 0;
  /** When the next piece is due, as performance.now() counts. */
  #due = 0;

  constructor(ranges: readonly PageRange[], bytesPerSecond: number) {
    this.#ranges = [...ranges];
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Goes through another range behind all others. */
  append(range: PageRange): void {
    this.#ranges.push(range);
  }

  /** Whole milliseconds until it is worth looking for the next piece; -1 when there is none. */
  patience(): number {
    if (this.#range === this.#ranges.length) return -1;
    return Math.min(LONGEST_WAIT_MS, Math.max(0, Math.ceil(this.#due - performance.now())));
  }

  /** The next pages, at most `limit`, all of which are wanted. Undefined when none are left or none are due. */
  next(limit: number, isWanted: (page: number) => boolean): PageRange | undefined {
    if (this.patience() !== 0) return undefined;
    for (let range = this.#ranges[this.#range]; range; range = this.#ranges[++this.#range]) {
      const end = range.start + range.count;
      let start = range.start + this.#offset;
      while (start < end && !isWanted(start)) start += 1;
      this.#offset = start - range.start;
      let count = 0;
      while (count < limit && start + count < end && isWanted(start + count)) count += 1;
      if (count > 0) return { start, count };
      this.#offset = 0;
    }
    return undefined;
  }

  /** So many of them are there now. After none, nothing is due for a millisecond. */
  done(pages: number): void {
    this.#offset += pages;
    const now = performance.now();
    if (pages === 0) this.#due = now + 1;
    else this.#due = Math.max(this.#due, now - BURST_MS) + (pages * PAGE_BYTES) / this.#bytesPerMs;
  }
}

/** Time that may be made up for, `ms`: waits are whole milliseconds, and faults take theirs. */
const BURST_MS = 5;
/** The kernel takes 31 bits. */
const LONGEST_WAIT_MS = 3_600_000;
