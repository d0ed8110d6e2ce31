// Work that this process has under way, beyond the life of the request that asked for it.

export class InFlight {
  readonly #work = new Map<string, Promise<unknown>>();

  /** Whether something is being done to that subject here. */
  has(subject: string): boolean {
    return this.#work.has(subject);
  }

  /** Runs work on a subject and remembers it until it ends. */
  async run<T>(subject: string, work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#work.set(subject, running);
    try {
      return await running;
    } finally {
      this.#work.delete(subject);
    }
  }

  /** Resolves when nothing is under way, or when the time is over. */
  async settled(timeoutMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([Promise.allSettled(this.#work.values()), late]);
    clearTimeout(timer);
  }
}
