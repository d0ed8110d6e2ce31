// Connections to the database that break.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { connectDatabase, type Db } from "../../packages/control-plane/src/db/connect.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";
import { Relay } from "./relay.ts";

let database: TestDatabase;
let relay: Relay;
let db: Db;
const idle: Error[] = [];
before(async () => {
  database = await testDatabase();
  relay = await Relay.start(database.url);
  db = connectDatabase({ url: relay.url, onIdleError: (error) => void idle.push(error) });
});
after(async () => {
  await db.destroy();
  await relay[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

test("a connection that breaks under a statement fails the statement, not the process", async () => {
  const sleeping = sql`select pg_sleep(10)`.execute(db);
  const failed = assert.rejects(sleeping, /Connection terminated unexpectedly/);
  await eventually(async () => {
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`.execute(
      database.db,
    );
    return rows.length === 1 || undefined;
  });
  await relay.cut();
  await failed;
  assert.deepEqual(idle, []);
});

test("one that breaks while idle is told of once, and replaced", async () => {
  await relay.mend();
  await sql`select 1`.execute(db);
  await relay.cut();
  await eventually(async () => idle.length > 0 || undefined);
  await relay.mend();
  await sql`select 1`.execute(db);
  assert.equal(idle.length, 1);
});
