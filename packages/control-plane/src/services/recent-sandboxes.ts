// Running sandboxes that were looked up a moment ago, for calls that end on their host.
import { WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";
import type { Caller } from "./caller.ts";

/** How long a row is taken as it was read, in ms. */
const TRUST_MS = 800;

/** Rows remembered at most; with more in use at once, some calls go to the database. */
const MAX_ROWS = 10_000;

export interface RecentOptions {
  /** Reads a row of the caller's from the database. Throws `not_found`. */
  read: (caller: Caller, id: string) => Promise<SandboxRow>;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/**
 * Spares an exec and a file the way to the database, which is a third of what they cost here. Whether the sandbox is
 * still running its host knows best: when that refuses, the row is read anew, and says why. An owner never changes, and
 * a key is checked on its own.
 */
export class RecentSandboxes {
  readonly #read: RecentOptions["read"];
  readonly #now: () => number;
  readonly #rows = new Map<string, { row: SandboxRow; until: number }>();

  constructor({ read, now = () => performance.now() }: RecentOptions) {
    this.#read = read;
    this.#now = now;
  }

  /** The row, as it was at most `TRUST_MS` ago if it was running then. Throws `not_found`. */
  async get(caller: Caller, id: string): Promise<SandboxRow> {
    const known = this.#rows.get(id);
    if (known && known.row.owner === caller.owner && known.until > this.#now()) return known.row;
    const asked = this.#now();
    const row = await this.#read(caller, id);
    if (row.status !== "running") {
      this.#rows.delete(id);
      return row;
    }
    if (this.#rows.size >= MAX_ROWS) this.#rows.clear();
    this.#rows.set(id, { row, until: asked + TRUST_MS });
    return row;
  }

  /** The row as it is now, after a host has refused. */
  async renew(caller: Caller, id: string): Promise<SandboxRow> {
    this.#rows.delete(id);
    return await this.get(caller, id);
  }
}

/** Whether a host's refusal says that the row is out of date: the sandbox was running here, and is not there. */
export function isStale(reason: unknown): boolean {
  return (
    reason instanceof WrennError && ["not_found", "invalid_state", "guest_unreachable"].includes(reason.code)
  );
}
