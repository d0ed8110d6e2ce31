// What hosts hold that may be another database's: it is left, and somebody is told.
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { madeUnwatched } from "../db/queries/hosts.ts";
import type { Host } from "../hosts/host.ts";

const LEFT =
  "left alone what this database has no rows of and that was made before it knew this host, or while it did not see it: " +
  "DATABASE_URL may point to another database than before, or a part of this one is lost; " +
  "`wrenn storage` and the host's data directory show what is there";

export class Foreign {
  readonly #db: Db;
  readonly #log: Logger;
  /** Ids of the hosts of which it has been said: every round finds the same. */
  readonly #told = new Set<string>();
  /** How much the last round found, by host. */
  readonly #found = new Map<string, number>();

  constructor({ db, log }: { db: Db; log: Logger }) {
    this.#db = db;
    this.#log = log;
  }

  /** Those among things that no row wants, with the seconds at which the host made them. */
  async among(host: Host, made: ReadonlyMap<string, number>): Promise<Set<string>> {
    return await madeUnwatched(this.#db, host.id, made);
  }

  /** Says once of a host how much has been left there, when two rounds agree: their grace does not end for all in one round. */
  tell(host: Host, { sandboxes, contents }: { sandboxes: number; contents: number }): void {
    const found = sandboxes + contents;
    const agreed = this.#found.get(host.id) === found;
    this.#found.set(host.id, found);
    if (found === 0 || !agreed || this.#told.has(host.id)) return;
    this.#told.add(host.id);
    this.#log.error({ host_id: host.id, sandboxes, contents }, LEFT);
  }
}
