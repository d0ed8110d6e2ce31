// Events between a producer that can be paused and one reader that takes its time.

export interface QueueLimits {
  /** Weight above which the producer is paused. */
  high: number;
  /** Weight below which it goes on. */
  low: number;
  pause(): void;
  resume(): void;
}

/** A queue with one reader. Its weight stays near `high`: what was on its way when it paused still fits. */
export class EventQueue<T> {
  readonly #limits: QueueLimits;
  readonly #waiting: { event: T; weight: number }[] = [];
  #weight = 0;
  #paused = false;
  #discarding = false;
  #end: { error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  push(event: T, weight: number): void {
    if (this.#end || this.#discarding) return;
    this.#waiting.push({ event, weight });
    this.#weight += weight;
    if (!this.#paused && this.#weight > this.#limits.high) {
      this.#paused = true;
      this.#limits.pause();
    }
    this.#wake?.();
  }

  /** No more events; with an error, the reader gets it behind the last event. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake?.();
  }

  /** Drops what waits and what comes. The producer is never paused again. */
  discard(): void {
    this.#discarding = true;
    this.#waiting.length = 0;
    this.#lighten(this.#weight);
    this.#wake?.();
  }

  /** The next event, or undefined at the end. */
  async next(): Promise<T | undefined> {
    for (;;) {
      const first = this.#waiting.shift();
      if (first) {
        this.#lighten(first.weight);
        return first.event;
      }
      if (this.#end) {
        if ("error" in this.#end) throw this.#end.error;
        return undefined;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
  }

  #lighten(weight: number): void {
    this.#weight -= weight;
    if (this.#paused && this.#weight <= this.#limits.low) {
      this.#paused = false;
      this.#limits.resume();
    }
  }
}
