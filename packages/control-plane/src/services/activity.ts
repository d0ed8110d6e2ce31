// When sandboxes were last used: noted in memory on every request, written to the database in batches.
import type { Db } from "../db/connect.ts";
import { noteActivity } from "../db/queries/sandbox-move.ts";

/** The hosts keep the clock that time-outs go by; this is what the API shows. */
export class Activity {
  readonly #db: Db;
  #seen = new Map<string, number>();

  constructor(db: Db) {
    this.#db = db;
  }

  note(id: string): void {
    this.#seen.set(id, Date.now());
  }

  /** Milliseconds since the epoch; only what is not yet in the database. */
  unwritten(id: string): number | undefined {
    return this.#seen.get(id);
  }

  async flush(): Promise<void> {
    const seen = this.#seen;
    if (seen.size === 0) return;
    await noteActivity(this.#db, seen);
    // Kept until they are in the database, unless they were noted again meanwhile.
    for (const [id, at] of seen) if (this.#seen.get(id) === at) this.#seen.delete(id);
  }
}
