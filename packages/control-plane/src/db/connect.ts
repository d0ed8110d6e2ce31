// Opens the database: one pool, one Kysely over it.
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { PreparingClient } from "./prepared.ts";
import type { Database } from "./schema.ts";

export type Db = Kysely<Database>;

export interface ConnectOptions {
  /** `postgres://` URL; `?host=/dir` names a Unix socket's directory. */
  url: string;
  /** Connections at most. Each costs the server about 2 MiB. Default 8. */
  poolSize?: number;
  /** Told about connections that broke while idle; the pool replaces them. */
  onIdleError: (error: Error) => void;
}

/** A handle that connects on first use. `destroy()` closes it. */
export function connectDatabase({ url, poolSize = 8, onIdleError }: ConnectOptions): Db {
  const pool = new pg.Pool({
    Client: PreparingClient,
    connectionString: url,
    max: poolSize,
    types: postgresTypes(),
    application_name: "wrenn-control-plane",
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    idleTimeoutMillis: 30_000,
  });
  pool.on("error", onIdleError);
  // The pool listens to idle connections only, and an event that nobody listens to ends the process. While a
  // connection is in use, the statement on it fails; there is nobody else to be told.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/** bigint as number: sizes and counts stay below 2^53. */
export function postgresTypes(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, Number);
  return types;
}
