// The answers that are being streamed.

export class OpenStreams {
  readonly #open = new Set<object>();
  #onDrained: (() => void) | undefined;

  /** Notes a stream; the result is to be called when all of it is on its way. */
  enter(): () => void {
    const stream = {};
    this.#open.add(stream);
    return () => {
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#onDrained?.();
    };
  }

  /** Resolves when there is none, after `deadlineMs` in any case. For one caller at a time. */
  async drained(deadlineMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
