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

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Begins with a round at once. */
  start(): void {
    this.#round = this.#run();
  }

  /** Resolves when the round under way has ended; none follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #run(): Promise<void> {
    const { what, everyMs, work, log } = this.#options;
    try {
      await work();
    } catch (reason) {
      if (!this.#stopped) log.warn({ err: reason }, `${what} failed; it will be tried again`);
    }
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), everyMs);
  }
}
