// What machines of one origin waited for first, so that the next one is sent it before it asks. Kept in memory, and beside
// the origin's snapshot for the next host agent.
import type { PageRange } from "@wrenn/core";

/** Origins that are remembered; the least recently used one goes first. */
const MAX_ORIGINS = 64;
/** Of one origin: 16 MiB. More of it is not needed first. */
const MAX_PAGES = 4096;

/** Where they outlast this process: a `SnapshotStore`. */
export interface WorkingSetRecords {
  workingSet(origin: string): Promise<readonly PageRange[]>;
  recordWorkingSet(origin: string, set: readonly PageRange[]): Promise<void>;
}

export class WorkingSets {
  readonly #records: WorkingSetRecords;
  /** By the id of the snapshot that lives share their base with. */
  readonly #sets = new Map<string, readonly PageRange[]>();

  constructor(records: WorkingSetRecords) {
    this.#records = records;
  }

  /** Disjoint. Those within a memory of `pages`. */
  async of(origin: string, pages: number): Promise<readonly PageRange[]> {
    let set = this.#sets.get(origin);
    if (set === undefined) {
      // A hint: what cannot be read is as good as nothing.
      set = await this.#records.workingSet(origin).catch(() => []);
      this.#remember(origin, set);
    }
    return set.filter(({ start, count }) => start + count <= pages);
  }

  /**
   * Adds what a machine that was sent {@link of} has waited for besides: it goes first, and what no longer fits is
   * forgotten. Known at once; resolves when it is on record, and rejects when it cannot be.
   */
  async learn(origin: string, waitedFor: readonly PageRange[]): Promise<void> {
    if (waitedFor.length === 0) return;
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
    this.#remember(origin, set);
    await this.#records.recordWorkingSet(origin, set);
  }

  #remember(origin: string, set: readonly PageRange[]): void {
    this.#sets.delete(origin);
    this.#sets.set(origin, set);
    const [oldest] = this.#sets.keys();
    if (this.#sets.size > MAX_ORIGINS && oldest !== undefined) this.#sets.delete(oldest);
  }
}
