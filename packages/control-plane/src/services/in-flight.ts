// Work that this process has under way, beyond the life of the request that asked for it.

export class InFlight {
  readonly #work = new Map<string, Set<Promise<unknown>>>();

  /** Whether something is being done to that subject here. */
  has(subject: string): boolean {
    return this.#work.has(subject);
  }

  /** Runs work on one or several subjects and remembers it until it ends. A subject may have several works at once. */
  async run<T>(subjects: string | readonly string[], work: () => Promise<T>): Promise<T> {
    const running = work();
    const names = typeof subjects === "string" ? [subjects] : subjects;
    for (const name of names) this.#add(name, running);
    try {
      return await running;
    } finally {
      for (const name of names) this.#remove(name, running);
    }
  }

  /** Resolves when what is being done to that subject here has ended, well or not; at once when there is nothing. */
  async ended(subject: string): Promise<void> {
    await Promise.allSettled(this.#work.get(subject) ?? []);
  }

  /** Resolves when nothing is under way, or when the time is over. */
  async settled(timeoutMs: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const all = [...this.#work.values()].flatMap((works) => [...works]);
    await Promise.race([Promise.allSettled(all), late]);
    clearTimeout(timer);
  }

  #add(name: string, running: Promise<unknown>): void {
    const works = this.#work.get(name) ?? new Set();
    this.#work.set(name, works.add(running));
  }

  #remove(name: string, running: Promise<unknown>): void {
    const works = this.#work.get(name);
    works?.delete(running);
    if (works?.size === 0) this.#work.delete(name);
  }
}
