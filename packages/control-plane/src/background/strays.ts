// Things on hosts that no row knows, and since when: what is young may be about to get its row.

export class Strays {
  readonly #graceMs: number;
  readonly #now: () => number;
  /** When each was first seen, by what it is. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor({ graceMs, now = () => performance.now() }: { graceMs: number; now?: () => number }) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /** Those that were strays in every round for longer than the grace period. The others of that kind are forgotten. */
  ripe(kind: string, names: readonly string[]): string[] {
    const now = this.#now();
    const before = this.#seen.get(kind);
    const seen = new Map(names.map((name) => [name, before?.get(name) ?? now]));
    this.#seen.set(kind, seen);
    return names.filter((name) => now - (seen.get(name) ?? now) >= this.#graceMs);
  }
}
