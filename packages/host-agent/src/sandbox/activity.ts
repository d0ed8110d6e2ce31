// When a sandbox was last used, and when it has been idle for too long.

/**
 * The inactivity clock of one sandbox. An operation in progress (an open stream, a long command) counts as activity
 * for as long as it lasts; the clock starts when the last one ends. It is a steady one: a host that is set right, or that
 * slept, ends no sandbox by that.
 */
export class Activity {
  #usedAt: number;
  #inProgress = 0;
  readonly #now: () => number;
  readonly #wall: () => number;

  /** `now`: a steady clock, `ms`; `wall`: milliseconds since the epoch. */
  constructor(now: () => number = () => performance.now(), wall: () => number = Date.now) {
    this.#now = now;
    this.#wall = wall;
    this.#usedAt = now();
  }

  /** Restarts the clock. */
  touch(): void {
    this.#usedAt = this.#now();
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

  /** By the wall clock as it is now, milliseconds since the epoch; never later than it was. */
  get lastActiveAt(): number {
    return Math.floor(this.#wall() - this.#idleMs);
  }

  /** When the sandbox has been idle for `timeoutSec`, in `ms` since the epoch; undefined for no time-out. */
  expiresAt(timeoutSec: number): number | undefined {
    return timeoutSec === 0 ? undefined : this.lastActiveAt + timeoutSec * 1000;
  }

  isExpired(timeoutSec: number): boolean {
    return timeoutSec !== 0 && this.#idleMs >= timeoutSec * 1000;
  }

  get #idleMs(): number {
    return this.#inProgress > 0 ? 0 : this.#now() - this.#usedAt;
  }
}
