// Repeats a piece of work, one round after the other.
import type { Logger } from "pino";

export interface ScheduleOptions {
  what: string;
  everyMs: number;
  work: () => Promise<unknown>;
  log: Logger;
}

/** The pause counts from the end of a round, so rounds never overlap. A failed round is logged, and the next one comes. */
export class Schedule {
  readonly #options: ScheduleOptions;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #stopped = false;
  /** A round was asked for while one was under way, which may have been too early to see why. */
  #again = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  get what(): string {
    return this.#options.what;
  }

  /** Begins with a round at once. */
  start(): void {
    this.#round = this.#run();
  }

  /** Has a round now, or right after the one under way. Does nothing before the start and after the end. */
  soon(): void {
    if (this.#stopped || !this.#round) return;
    this.#again = true;
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.start();
  }

  /** Resolves when the round under way has ended; none follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #run(): Promise<void> {
    const { what, everyMs, work, log } = this.#options;
    this.#timer = undefined;
    this.#again = false;
    try {
      await work();
    } catch (reason) {
      if (!this.#stopped) log.warn({ err: reason }, `${what} failed; it will be tried again`);
    }
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.#again ? 0 : everyMs);
  }
}
