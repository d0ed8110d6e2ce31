// Things that several users share: made for the first, given back after the last.

interface Entry<T> {
  users: number;
  /** The end of what was last done with it: made, or given back. Never rejects. */
  settled: Promise<void>;
  value: T | undefined;
}

/**
 * Counts users per key. Making and giving back of one key never overlap; different keys do not wait for each other.
 * When making fails, the next user tries again; when giving back fails, its caller is told, and the thing counts as held by
 * nobody: the next start finds it by its name.
 */
export class Shared<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #make: (key: string) => Promise<T>;
  readonly #giveBack: (value: T, key: string) => Promise<void>;

  constructor(options: {
    make: (key: string) => Promise<T>;
    giveBack: (value: T, key: string) => Promise<void>;
  }) {
    this.#make = options.make;
    this.#giveBack = options.giveBack;
  }

  /** The thing of that key. Each call is to be matched by one {@link release}. */
  async acquire(key: string): Promise<T> {
    const entry = this.#entry(key);
    return await this.#inTurn(key, entry, async () => {
      entry.value ??= await this.#make(key);
      entry.users++;
      return entry.value;
    });
  }

  /** Ends one use. Throws when there is none: a release too many would take the thing from another. */
  async release(key: string): Promise<void> {
    const entry = this.#entry(key);
    await this.#inTurn(key, entry, async () => {
      if (entry.users === 0) throw new Error(`${key} is released more often than it was acquired`);
      entry.users--;
      if (entry.users > 0 || entry.value === undefined) return;
      const { value } = entry;
      entry.value = undefined;
      await this.#giveBack(value, key);
    });
  }

  /** How many use it now. */
  users(key: string): number {
    return this.#entries.get(key)?.users ?? 0;
  }

  #entry(key: string): Entry<T> {
    const entry = this.#entries.get(key) ?? { users: 0, settled: Promise.resolve(), value: undefined };
    this.#entries.set(key, entry);
    return entry;
  }

  async #inTurn<R>(key: string, entry: Entry<T>, work: () => Promise<R>): Promise<R> {
    const turn = entry.settled.then(work);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    entry.settled = settled;
    try {
      return await turn;
    } finally {
      // Nobody has queued behind this one, and nobody holds it: forgotten.
      if (entry.settled === settled && entry.users === 0) this.#entries.delete(key);
    }
  }
}
