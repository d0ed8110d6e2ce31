// Buffers for pages that are used again. New ones for each snapshot make V8 collect the whole heap every time: 50 ms on a
// slow machine, while a guest stands still.
import { MIB } from "@wrenn/core";

export const PAGE_BUFFER_BYTES = 2 * MIB;
/** What one snapshot uses at once. */
const MAX_FREE = 4;
/** How long they are kept after the last use, `ms`. */
const KEEP_MS = 60_000;

/** Buffers of {@link PAGE_BUFFER_BYTES}; what is in one that was taken is undefined. */
export class PageBuffers {
  readonly #free: Buffer[] = [];
  readonly #keepMs: number;
  #drop: NodeJS.Timeout | undefined;

  constructor(keepMs = KEEP_MS) {
    this.#keepMs = keepMs;
  }

  /** How many lie ready. */
  get free(): number {
    return this.#free.length;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(PAGE_BUFFER_BYTES);
  }

  /** Gives back what {@link take} has returned; nobody uses it any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
    clearTimeout(this.#drop);
    this.#drop = setTimeout(() => this.#free.splice(0), this.#keepMs).unref();
  }
}

/** Those of this process. */
export const pageBuffers = new PageBuffers();
