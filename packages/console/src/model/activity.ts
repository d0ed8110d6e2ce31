// What the page has asked of the service, with the outcome and the time of each call. Bounded.

export interface Activity {
  /** Counts up; the key of the entry. */
  number: number;
  at: Date;
  /** `GET` and the like, or `WS` for a stream. */
  method: string;
  path: string;
  /** Whether it only reads, as the refreshes do. */
  isRead: boolean;
  /** Undefined while it is under way. */
  outcome: Outcome | undefined;
}

export interface Outcome {
  ok: boolean;
  /** `201`, `409 invalid_state`, `exit 0`, `no connection`. */
  result: string;
  /** What went wrong, or what else there is to say. */
  detail: string;
  /** Milliseconds from the call to the whole answer's head. */
  ms: number;
  requestId: string | undefined;
}

/** Entries kept of each kind: refreshes never push out what somebody did. */
const KEPT = { reads: 100, writes: 400 };

export class ActivityLog {
  #writes: Activity[] = [];
  #reads: Activity[] = [];
  #number = 0;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Notes that a call begins. Call the result when it has ended. */
  begin({ method, path, isRead }: Pick<Activity, "method" | "path" | "isRead">): (outcome: Outcome) => void {
    const entry: Activity = {
      number: ++this.#number,
      at: new Date(),
      method,
      path,
      isRead,
      outcome: undefined,
    };
    if (isRead) this.#reads = [entry, ...this.#reads].slice(0, KEPT.reads);
    else this.#writes = [entry, ...this.#writes].slice(0, KEPT.writes);
    this.#changed();
    return (outcome) => {
      entry.outcome = outcome;
      this.#changed();
    };
  }

  /** Newest first; with the reads, or without those that went well. */
  entries(withReads: boolean): Activity[] {
    const reads = this.#reads.filter(({ outcome }) => withReads || outcome?.ok === false);
    return [...this.#writes, ...reads].sort((a, b) => b.number - a.number);
  }

  clear(): void {
    this.#writes = [];
    this.#reads = [];
    this.#changed();
  }
}
