// The one query that every request makes is prepared; and the migration command.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { sql } from "kysely";
import { connectDatabase } from "../../packages/control-plane/src/db/connect.ts";
import { findSandbox } from "../../packages/control-plane/src/db/queries/sandbox-find.ts";
import { type TestDatabase, testDatabase } from "./database.ts";

let database: TestDatabase;
before(async () => {
  database = await testDatabase();
});
after(() => database[Symbol.asyncDispose]());

test("findSandbox() is prepared once, and finds every column", async () => {
  const db = connectDatabase({ url: database.url, poolSize: 1, onIdleError: () => undefined });
  try {
    await db.insertInto("owners").values({ id: "o" }).execute();
    const size = { vcpus: 1, memory_mb: 128, disk_mb: 1024, timeout_sec: 0 };
    const modes = { on_timeout: "destroy" as const, ttl_mode: "inactivity" as const };
    const row = { ...size, ...modes, id: "sb-1", owner: "o", status: "running" as const, template: "t" };
    const inserted = await db.insertInto("sandboxes").values(row).returningAll().executeTakeFirstOrThrow();
    assert.deepEqual(await findSandbox(db, "o", "sb-1"), inserted);
    assert.equal(await findSandbox(db, "other", "sb-1"), undefined);
    const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements`.execute(db);
    assert.deepEqual(rows, [{ name: "find_sandbox" }]);
  } finally {
    await db.destroy();
  }
});

test("migrate.ts goes down and up, and says what it did", async () => {
  const main = new URL("../../packages/control-plane/src/migrate.ts", import.meta.url).pathname;
  const migrate = async (...args: string[]) => {
    const env = { ...process.env, DATABASE_URL: database.url };
    return (await promisify(execFile)(process.execPath, [main, ...args], { env })).stdout;
  };
  assert.match(await migrate("down"), /^down \d{14}_\w+$/m);
  assert.match(await migrate("up"), /^up \d{14}_\w+$/m);
  assert.match(await migrate("up"), /^nothing to do$/m);
  await assert.rejects(migrate("sideways"), /usage: migrate\.ts/);
});
