// Which pages of a memory go next, each at most once: what is waited for, what lies beside it, what an earlier machine
// needed, and, when told to, all the rest. Pure.
import { type LazyPages, type PageRange, WrennError } from "@wrenn/core";

/** Pages that are sent together with one that is waited for, aligned: 64 KiB. */
const NEIGHBOURS = 16;
/** Distinct pages that are waited for at one time; each thread of a VMM waits for one. */
const MAX_WAITING = 4096;
/** Bound of what is remembered as touched: 16 MiB. More of it would be no working set, and no laziness. */
const MAX_TOUCHED = 4096;

/** What is known of a page. One that is waited for is asked for until it is given out. */
const GIVEN = 1;
const ASKED = 2;

/** Pages that follow each other, all zero or all to be read. */
export interface Piece extends PageRange {
  zero: boolean;
}

export class PagePlan {
  readonly #pages: Pick<LazyPages, "pages" | "run">;
  /** {@link GIVEN}, {@link ASKED} or 0 for each page. */
  readonly #sent: Uint8Array;
  /** In the order of their urgency. */
  readonly #waiting: PageRange[] = [];
  readonly #beside: PageRange[] = [];
  readonly #wanted: PageRange[];
  readonly #touched: PageRange[] = [];
  #touchedPages = 0;
  #cursor = 0;
  #loaded = 0;

  constructor(pages: Pick<LazyPages, "pages" | "run" | "workingSet">) {
    this.#pages = pages;
    this.#sent = new Uint8Array(pages.pages);
    this.#wanted = pages.workingSet.map((range) => ({ ...range }));
  }

  /** Pages with content that were given out. */
  get loaded(): number {
    return this.#loaded;
  }

  /** What was waited for, the first first, with its neighbours. */
  get touched(): readonly PageRange[] {
    return this.#touched;
  }

  /** Somebody waits for these pages. Throws `internal` when they are none of this memory's, or too many. */
  wait({ start, count }: PageRange): void {
    if (!(start >= 0 && count > 0 && start + count <= this.#pages.pages))
      throw new WrennError(
        "internal",
        `${count} pages at ${start} are not within a memory of ${this.#pages.pages}`,
      );
    // What was given out is on its way, and what was asked for is next.
    const asked = this.#sent.subarray(start, start + count);
    if (!asked.includes(0)) return;
    if (this.#waiting.length >= MAX_WAITING)
      throw new WrennError("internal", `more than ${MAX_WAITING} pages are waited for at one time`);
    for (let i = 0; i < count; i++) if (asked[i] === 0) asked[i] = ASKED;
    this.#waiting.push({ start, count });
    const from = start - (start % NEIGHBOURS);
    const to = Math.min(Math.ceil((start + count) / NEIGHBOURS) * NEIGHBOURS, this.#pages.pages);
    this.#beside.push({ start, count: to - start }, { start: from, count: start - from });
    if (this.#touchedPages + (to - from) > MAX_TOUCHED) return;
    this.#touchedPages += to - from;
    this.#touched.push({ start: from, count: to - from });
  }

  /**
   * The next pages, at most `limit` of them. Without `all`, those that somebody needs; with it, also those that nobody
   * has asked for, except zeros. Empty = there is nothing (more).
   */
  take(limit: number, all: boolean): Piece[] {
    const pieces: Piece[] = [];
    let left = limit;
    for (const queue of [this.#waiting, this.#beside, this.#wanted]) {
      while (left > 0 && queue[0] !== undefined) {
        left -= this.#takeFrom(queue[0], left, pieces);
        if (queue[0].count === 0) queue.shift();
      }
    }
    if (all) while (left > 0 && this.#cursor < this.#pages.pages) left -= this.#push(left, pieces);
    return pieces;
  }

  /** Takes from the front of a range, which becomes shorter; returns how many pages were taken. */
  #takeFrom(range: PageRange, limit: number, into: Piece[]): number {
    let taken = 0;
    while (range.count > 0 && taken < limit) {
      const { start } = range;
      let count = 1;
      if (this.#sent[start] !== GIVEN) {
        const run = this.#pages.run(start, Math.min(range.count, limit - taken));
        count = this.#unsent(start, run.count);
        this.#give({ start, count, zero: run.zero }, into);
        taken += count;
      }
      range.start += count;
      range.count -= count;
    }
    return taken;
  }

  /** Takes at the cursor, and moves it. */
  #push(limit: number, into: Piece[]): number {
    const start = this.#cursor;
    if (this.#sent[start] === GIVEN) {
      this.#cursor += 1;
      return 0;
    }
    const run = this.#pages.run(start, this.#pages.pages - start);
    if (run.zero) {
      // A page that nobody has touched when all is over is zero anyway.
      this.#cursor += run.count;
      return 0;
    }
    const count = this.#unsent(start, Math.min(run.count, limit));
    this.#give({ start, count, zero: false }, into);
    this.#cursor += count;
    return count;
  }

  /** How many of the next pages were not given out yet. */
  #unsent(start: number, limit: number): number {
    const next = this.#sent.subarray(start, start + limit).indexOf(GIVEN);
    return next === -1 ? limit : next;
  }

  #give(piece: Piece, into: Piece[]): void {
    this.#sent.fill(GIVEN, piece.start, piece.start + piece.count);
    if (!piece.zero) this.#loaded += piece.count;
    into.push(piece);
  }
}

/** How many pages of a memory have content. */
export function pagesWithContent(pages: Pick<LazyPages, "pages" | "run">): number {
  let found = 0;
  for (let page = 0; page < pages.pages; ) {
    const { zero, count } = pages.run(page, pages.pages - page);
    if (!zero) found += count;
    page += count;
  }
  return found;
}
