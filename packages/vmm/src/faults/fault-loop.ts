// Answering the faults of one machine until it ends. Runs in a thread of its own and blocks it.
import { getSystemErrorName } from "node:util";
import { type LazyPages, WrennError } from "@wrenn/core";
import { ERRNO, EVENT, NativeBuffer, POLL, PollSet, type Userfaultfd } from "@wrenn/linux/uffd";
import { PAGE_BYTES } from "../vmm.ts";
import { Prefetch } from "./prefetch.ts";
import { addressOf, pageAt, type Regions } from "./regions.ts";
import type { Tally } from "./tally.ts";

/** Largest block that a fault loads, in pages. */
export const MAX_BLOCK_PAGES = 512;

/** What is known of a page. One that was given back is zero from then on, whatever the saved memory says. */
const ABSENT = 0;
const PRESENT = 1;
const REMOVED = 2;

/** Attempts in a row before the thread sleeps a millisecond, while the machine's own thread has to finish something. */
const QUICK_RETRIES = 20;

export interface FaultLoopOptions {
  uffd: Userfaultfd;
  regions: Regions;
  pages: LazyPages;
  tally: Tally;
  /** Pages of the aligned block around a fault that are loaded with it. */
  blockPages: number;
  /** Unasked loading, `bytes` a second. */
  prefetchRate: number;
  /** Told once, when all memory is there after that was asked for. */
  onLoaded: () => void;
}

/** Why it ended without a failure: it was told to, or the machine has. */
export type LoopEnd = "stopped" | "gone";

export class FaultLoop {
  readonly #uffd: Userfaultfd;
  readonly #regions: Regions;
  readonly #pages: LazyPages;
  readonly #tally: Tally;
  readonly #blockPages: number;
  readonly #state: Uint8Array;
  readonly #buffer: NativeBuffer;
  /** The first n pages of the buffer, made once each. */
  readonly #views: Buffer[] = [];
  readonly #prefetch: Prefetch;
  /** Pages whose faults could not be answered yet. */
  #waiting: number[] = [];
  #retries = 0;
  readonly #onLoaded: () => void;
  /** Whether all memory was asked for and is not there yet. */
  #loadsRest = false;

  constructor(options: FaultLoopOptions) {
    this.#uffd = options.uffd;
    this.#regions = options.regions;
    this.#pages = options.pages;
    this.#tally = options.tally;
    this.#blockPages = options.blockPages;
    this.#onLoaded = options.onLoaded;
    this.#state = new Uint8Array(options.pages.pages);
    this.#buffer = new NativeBuffer(options.blockPages * PAGE_BYTES);
    this.#prefetch = new Prefetch(options.pages.workingSet, options.prefetchRate);
  }

  /**
   * Serves until `stop` can be read or `connection` is hung up; from when `rest` can be read all memory is loaded, behind
   * every fault. Throws what the saved memory's reading failed with, and
   * `internal` when the kernel refuses: the machine then waits for ever and has to be killed.
   */
  run({ stop, connection, rest }: { stop: number; connection: number; rest: number }): LoopEnd {
    const set = new PollSet([this.#uffd.fd, stop, connection, rest]);
    for (;;) {
      set.wait(this.#patience());
      if (set.found(1) !== 0) return "stopped";
      if (set.found(2) !== 0) return "gone";
      if (set.found(3) !== 0) {
        set.ignore(3);
        this.#loadsRest = true;
        this.#prefetch.append({ start: 0, count: this.#pages.pages });
      }
      const found = set.found(0);
      // Whoever shares it can make it blocking: poll then refuses, and a read could last for ever.
      if ((found & ~POLL.in) !== 0) throw failed("its userfaultfd can no longer be waited for");
      const messages = found === 0 ? 0 : this.#uffd.read();
      if (!this.#takeEvents(messages)) return "gone";
    }
  }

  /** How long there is nothing to do but wait, `ms`; -1 = until something happens. */
  #patience(): number {
    if (this.#waiting.length > 0) return this.#retries < QUICK_RETRIES ? 0 : 1;
    return this.#prefetch.patience();
  }

  /** False when the machine has gone. Removals go first: a copy is refused while one has not been read. */
  #takeEvents(messages: number): boolean {
    for (let i = 0; i < messages; i++) {
      const event = this.#uffd.event(i);
      if (event === EVENT.remove || event === EVENT.unmap)
        this.#remove(this.#uffd.address(i), this.#uffd.end(i));
      else if (event !== EVENT.pageFault) throw failed(`unknown event ${event}`);
    }
    if (this.#waiting.length > 0 && !this.#retry()) return false;
    let faults = 0;
    for (let i = 0; i < messages; i++) {
      if (this.#uffd.event(i) !== EVENT.pageFault) continue;
      faults += 1;
      const address = this.#uffd.address(i);
      const region = this.#regions.at(address);
      if (!region) throw failed(`a fault outside of the guest's memory`);
      if (!this.#serve(pageAt(region, address))) return false;
    }
    if (faults > 0) this.#tally.add("faults", faults);
    else if (this.#waiting.length === 0) return this.#prefetchNext();
    return true;
  }

  /** Answers once more what had to wait. */
  #retry(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#retries += 1;
    for (const page of waiting) if (!this.#serve(page)) return false;
    if (this.#waiting.length === 0) this.#retries = 0;
    return true;
  }

  /** Loads the block around a page. What cannot be done yet is put aside. */
  #serve(page: number): boolean {
    const state = this.#state[page] as number;
    if (state === PRESENT) return this.#fillAgain(page);
    const region = this.#regions.of(page);
    const block = page - (page % this.#blockPages);
    let from = Math.max(block, region.firstPage);
    let to = Math.min(block + this.#blockPages, region.firstPage + region.pages);
    for (let i = page - 1; i >= from; i--) if (this.#state[i] !== state) from = i + 1;
    for (let i = page + 1; i < to; i++) if (this.#state[i] !== state) to = i;
    if (state === REMOVED) {
      const filled = this.#fill(from, to, true);
      if (filled > from) this.#tally.add("zeroed", filled - from);
      return this.#settle(page, filled);
    }
    // The run of one kind that holds the page.
    for (;;) {
      const { zero, count } = this.#pages.run(from, to - from);
      if (from + count <= page) {
        from += count;
        continue;
      }
      const end = from + count;
      if (!zero) this.#load(from, end);
      const filled = this.#fill(from, end, zero);
      if (filled > from) {
        this.#tally.add(zero ? "zeroed" : "copied", filled - from);
        this.#tally.touch(from, filled - from);
      }
      return this.#settle(page, filled);
    }
  }

  /** Puts a page aside when filling stopped before it. False when the machine has gone. */
  #settle(page: number, filled: number): boolean {
    if (filled === GONE) return false;
    if (filled <= page) this.#waiting.push(page);
    return true;
  }

  /**
   * A fault on a page that was filled before: the message was older than the filling, or the page was given back without
   * a word, by a VMM that does not report removals. Zeros are refused in the first case and right in the second.
   */
  #fillAgain(page: number): boolean {
    return this.#settle(page, this.#fill(page, page + 1, true));
  }

  /** The next few pages of the working set that are not there yet. */
  #prefetchNext(): boolean {
    const next = this.#prefetch.next(this.#blockPages, (page) => this.#state[page] === ABSENT);
    if (!next) {
      if (this.#loadsRest && this.#prefetch.patience() === -1) {
        this.#loadsRest = false;
        this.#onLoaded();
      }
      return true;
    }
    const region = this.#regions.of(next.start);
    const limit = Math.min(next.count, region.firstPage + region.pages - next.start);
    const { zero, count } = this.#pages.run(next.start, limit);
    const end = next.start + count;
    if (!zero) this.#load(next.start, end);
    const filled = this.#fill(next.start, end, zero);
    if (filled === GONE) return false;
    this.#prefetch.done(filled - next.start);
    this.#tally.add("prefetched", filled - next.start);
    return true;
  }

  #load(from: number, to: number): void {
    const count = to - from;
    let view = this.#views[count];
    if (!view) {
      view = this.#buffer.bytes.subarray(0, count * PAGE_BYTES);
      this.#views[count] = view;
    }
    this.#tally.beginRead();
    this.#pages.read(from, view);
    this.#tally.endRead();
  }

  /** Fills pages of one region with zeros or from the buffer. The first page that is not there afterwards, or GONE. */
  #fill(from: number, to: number, zero: boolean): number {
    const region = this.#regions.of(from);
    let longest = to - from;
    for (let page = from; page < to; ) {
      const count = Math.min(to - page, longest);
      const at = addressOf(region, page);
      const done = zero
        ? this.#uffd.zero(at, count * PAGE_BYTES)
        : this.#uffd.copy(at, this.#buffer.address + (page - from) * PAGE_BYTES, count * PAGE_BYTES);
      if (done > 0) {
        const end = page + done / PAGE_BYTES;
        this.#state.fill(PRESENT, page, end);
        page = end;
      } else if (done === -ERRNO.EEXIST) {
        this.#state[page] = PRESENT;
        this.#uffd.wake(at, PAGE_BYTES);
        page += 1;
      } else if (done === -ERRNO.EAGAIN) {
        return page;
      } else if (done === -ERRNO.ESRCH) {
        return GONE;
      } else if (done === -ERRNO.ENOENT && count > 1) {
        // The VMM has divided its mapping, and no request may reach over a border.
        longest = 1;
      } else if (done === -ERRNO.ENOENT) {
        // It has unmapped the page. Who waits for it looks again, and finds what is there now.
        this.#state[page] = REMOVED;
        this.#uffd.wake(at, PAGE_BYTES);
        page += 1;
      } else {
        throw failed(`${getSystemErrorName(done)} for ${count} pages at page ${page}`);
      }
    }
    return to;
  }

  #remove(start: number, end: number): void {
    for (const region of this.#regions.list) {
      const from = Math.max(start, region.address);
      const to = Math.min(end, region.address + region.pages * PAGE_BYTES);
      if (from >= to) continue;
      const first = pageAt(region, from);
      const after = pageAt(region, to - 1) + 1;
      this.#state.fill(REMOVED, first, after);
      this.#tally.add("removed", after - first);
    }
  }
}

/** Instead of a page's number: there is no machine any more. */
const GONE = -1;

function failed(why: string): WrennError {
  return new WrennError("internal", `a machine's memory cannot be served: ${why}`);
}
