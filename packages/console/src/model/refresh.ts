// When to look again: soon while something moves, seldom while nobody looks or nothing answers.

export interface Circumstances {
  /** Something is about to change by itself. */
  isMoving: boolean;
  /** Refreshes that have failed one after the other. */
  failures: number;
  /** How long the last one took, in ms. */
  tookMs: number;
}

const MOVING_MS = 500;
const CALM_MS = 2_000;
const LONGEST_MS = 30_000;
/** At most a fifth of the time is spent on refreshing, however long the list. */
const SHARE = 4;

/** Milliseconds until the next refresh. */
export function nextDelay({ isMoving, failures, tookMs }: Circumstances): number {
  const wanted = failures > 0 ? CALM_MS * 2 ** Math.min(failures, 10) : isMoving ? MOVING_MS : CALM_MS;
  return Math.min(LONGEST_MS, Math.max(wanted, tookMs * SHARE));
}

/** Runs `work` again and again, one at a time; not while the page is hidden, or when it has been told to rest. */
export class Refresher {
  readonly #work: () => Promise<Circumstances>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;
  #again = false;
  #enabled = false;

  constructor(work: () => Promise<Circumstances>) {
    this.#work = work;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.#enabled) this.now();
      else clearTimeout(this.#timer);
    });
  }

  /** Turns the repetition on or off. */
  set enabled(enabled: boolean) {
    this.#enabled = enabled;
    clearTimeout(this.#timer);
    if (enabled) this.now();
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Refreshes at once; when it is being done already, once more behind that. */
  now(): void {
    clearTimeout(this.#timer);
    if (this.#isRunning) this.#again = true;
    else void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const circumstances = await this.#work();
    this.#isRunning = false;
    if (this.#again) {
      this.#again = false;
      this.now();
    } else if (this.#enabled && document.visibilityState === "visible") {
      this.#timer = setTimeout(() => this.now(), nextDelay(circumstances));
    }
  }
}
