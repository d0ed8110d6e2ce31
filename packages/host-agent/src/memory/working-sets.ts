// What machines of one origin waited for first, so that the next one is sent it before it asks. Kept in memory only: a
// host agent that starts anew learns it from the first machine.
import type { PageRange } from "@wrenn/core";

/** Origins that are remembered; the least recently used one goes first. */
const MAX_ORIGINS = 64;
/** Of one origin: 16 MiB. More of it is not needed first. */
const MAX_PAGES = 4096;

export class WorkingSets {
  /** By the id of the snapshot that lives share their base with. */
  readonly #sets = new Map<string, readonly PageRange[]>();

  /** Disjoint. Those within a memory of `pages`. */
  of(origin: string, pages: number): readonly PageRange[] {
    return (this.#sets.get(origin) ?? []).filter(({ start, count }) => start + count <= pages);
  }

  /** Adds what a machine that was sent {@link of} has waited for besides: it goes first, and what no longer fits is forgotten. */
  learn(origin: string, waitedFor: readonly PageRange[]): void {
    const set: PageRange[] = [];
    const taken = new Set<number>();
    let left = MAX_PAGES;
    for (const { start, count } of [...waitedFor, ...(this.#sets.get(origin) ?? [])]) {
      for (let page = start; page < start + count && left > 0; page++) {
        if (taken.has(page)) continue;
        taken.add(page);
        left -= 1;
        const last = set.at(-1);
        if (last && last.start + last.count === page) last.count += 1;
        else set.push({ start: page, count: 1 });
      }
    }
    this.#sets.delete(origin);
    this.#sets.set(origin, set);
    const [oldest] = this.#sets.keys();
    if (this.#sets.size > MAX_ORIGINS && oldest !== undefined) this.#sets.delete(oldest);
  }
}
