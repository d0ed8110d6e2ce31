// Which control planes are alive, so that what a dead one left half-done can be told from work in progress.
import { randomInt } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import pg from "pg";
import type { Db } from "./connect.ts";

/** First key of the advisory locks; the second one is the worker's number. Any constant would do. */
const LOCK_CLASS = 0x77726e;

/** Wait before the lock of a broken connection is taken again. */
const RETRY_MS = 1_000;

/**
 * A number that this process alone holds, as a session advisory lock on a connection of its own. The server
 * gives the lock up when the process dies, however it dies: no lease to renew, no clock to trust. Rows that are
 * between two settled statuses carry the number.
 *
 * While the connection is broken, another control plane may take our rows for orphans. That is safe: their
 * status changes are compare-and-set, so our own next step fails and cleans up.
 */
export class Worker {
  readonly id: number = randomInt(1, 2 ** 31 - 1);
  readonly #url: string;
  readonly #onError: (error: Error) => void;
  #client: pg.Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ url, onError }: { url: string; onError: (error: Error) => void }) {
    this.#url = url;
    this.#onError = onError;
  }

  /** Takes the lock. Afterwards it is kept, also over a restart of the database. */
  async start(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "wrenn-worker",
      keepAlive: true,
    });
    client.on("error", (error) => this.#lost(client, error));
    await client.connect();
    await client.query("select pg_advisory_lock($1::int, $2::int)", [LOCK_CLASS, this.id]);
    this.#client = client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#client?.end();
  }

  #lost(client: pg.Client, error: Error): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = undefined;
    this.#onError(error);
    this.#again();
  }

  #again(): void {
    this.#retry = setTimeout(() => {
      this.start().catch((reason: unknown) => {
        this.#onError(reason instanceof Error ? reason : new Error(String(reason)));
        if (!this.#closed) this.#again();
      });
    }, RETRY_MS);
  }
}

/** The numbers of all control planes that live. */
export async function liveWorkers(db: Db): Promise<Set<number>> {
  const { rows } = await sql<{ worker: number }>`
    select objid::bigint as worker from pg_locks
    where locktype = 'advisory' and granted and objsubid = 2 and classid = ${sql.lit(LOCK_CLASS)}
      and database = (select oid from pg_database where datname = current_database())`.execute(db);
  return new Set(rows.map(({ worker }) => worker));
}

/** SQL condition: no control plane that lives is working on the row. */
export function workerIsGone(table: "sandboxes" | "templates" | "idempotency_keys"): RawBuilder<boolean> {
  const worker = sql.ref(`${table}.worker`);
  return sql<boolean>`(${worker} is null or not exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 2 and classid = ${sql.lit(LOCK_CLASS)}
      and objid = ${worker}::oid
      and database = (select oid from pg_database where datname = current_database())))`;
}
