// When a sandbox was last used, and when it has been idle for too long.

/**
 * The inactivity clock of one sandbox. An operation in progress (an open stream, a long command) counts as activity
 * for as long as it lasts; the clock starts when the last one ends.
 */
export class Activity {
  #lastActiveAt: number;
  #inProgress = 0;
  readonly #now: () => number;

  /** `now` gives milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#lastActiveAt = now();
  }

  /** Restarts the clock. */
  touch(): void {
    this.#lastActiveAt = this.#now();
  }

  /** Marks the start of an operation; the returned function marks its end and may be called more than once. */
  begin(): () => void {
    this.touch();
    this.#inProgress++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#inProgress--;
      this.touch();
    };
  }

  /** Milliseconds since the epoch. */
  get lastActiveAt(): number {
    return this.#inProgress > 0 ? this.#now() : this.#lastActiveAt;
  }

  /** When the sandbox has been idle for `timeoutSec`, in `ms` since the epoch; undefined for no time-out. */
  expiresAt(timeoutSec: number): number | undefined {
    return timeoutSec === 0 ? undefined : this.lastActiveAt + timeoutSec * 1000;
  }

  isExpired(timeoutSec: number): boolean {
    const at = this.expiresAt(timeoutSec);
    return at !== undefined && at <= this.#now();
  }
}
