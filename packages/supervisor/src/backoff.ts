// How long to wait before a process that died is started again.

const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** A process that lived this long is healthy: its next death counts as the first. */
const HEALTHY_MS = 60_000;

/** Doubles from 100 ms to 10 s while the process keeps dying young. */
export class Backoff {
  #failures = 0;

  /** Milliseconds to wait after a life of `livedMs`. */
  next(livedMs: number): number {
    this.#failures = livedMs >= HEALTHY_MS ? 0 : this.#failures;
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures++;
    return delay;
  }
}
