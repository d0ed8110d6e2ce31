// What takes long is said on stderr, with its time; what is quick is not mentioned.

/** A step that takes longer than this is announced, in ms. */
const PATIENCE_MS = 1000;

export class Progress {
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Runs a step, and says when it has taken a second, and how long it took. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    let announced = false;
    const timer = setTimeout(() => {
      announced = true;
      this.say(`${name} …`);
    }, PATIENCE_MS);
    try {
      const result = await work();
      if (announced) this.say(`${name}: ${seconds(performance.now() - begun)}`);
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  say(line: string): void {
    this.#say(`wrenn: ${line}\n`);
  }
}

/** Reports a template's build: each step when it begins, and its time when it is done. */
export class BuildProgress {
  readonly #progress: Progress;
  readonly #shown = new Map<string, string>();

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  report(steps: readonly { name: string; status: string; duration_ms?: number }[]): void {
    for (const { name, status, duration_ms = 0 } of steps) {
      if (this.#shown.get(name) === status) continue;
      this.#shown.set(name, status);
      if (status === "running") this.#progress.say(`${name} …`);
      if (status === "done" && duration_ms >= PATIENCE_MS)
        this.#progress.say(`${name}: ${seconds(duration_ms)}`);
    }
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
