// A migrated database for one test file, cloned from a template that is migrated once per run.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { connectDatabase, type Db } from "../../packages/control-plane/src/db/connect.ts";
import { migrateUp } from "../../packages/control-plane/src/db/migrator.ts";
import { shared } from "../seed.ts";
import { type PostgresServer, startPostgres } from "./postgres.ts";

const TEMPLATE = "wrenn_template";

export interface TestDatabase extends AsyncDisposable {
  url: string;
  db: Db;
}

/** Test files of one process share a server; the last one to dispose stops it, unless it is kept. */
let server: Promise<PostgresServer> | undefined;
let users = 0;

/** From now on the server stays for files that come, until the function is called that comes back. */
export function keepServer(): () => Promise<void> {
  users += 1;
  return release;
}

/** A fresh database with the current schema. Dispose it in `after`. */
export async function testDatabase(): Promise<TestDatabase> {
  users += 1;
  server ??= startMigrated();
  const running = await server;
  const name = `wrenn_${randomBytes(6).toString("hex")}`;
  await execute(running.url, `create database ${name} template ${TEMPLATE}`);
  const url = running.databaseUrl(name);
  const db = connectDatabase({ url, onIdleError: () => undefined });
  const dispose = async () => {
    await db.destroy();
    await release();
  };
  return { url, db, [Symbol.asyncDispose]: dispose };
}

async function startMigrated(): Promise<PostgresServer> {
  const kept = await shared("test-database", async (directory) => {
    const made = await makeMigrated();
    await made.keep(join(directory, "data"));
  });
  return kept === undefined ? await makeMigrated() : await startPostgres(join(kept, "data"));
}

async function makeMigrated(): Promise<PostgresServer> {
  const started = await startPostgres();
  await execute(started.url, `create database ${TEMPLATE}`);
  const db = connectDatabase({ url: started.databaseUrl(TEMPLATE), onIdleError: () => undefined });
  await migrateUp(db);
  await db.destroy();
  return started;
}

async function release(): Promise<void> {
  users -= 1;
  if (users > 0) return;
  const running = await server?.catch(() => undefined);
  server = undefined;
  await running?.stop();
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
