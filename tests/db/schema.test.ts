// The hand-written `Database` interface against the schema that the migrations make.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { connectDatabase } from "../../packages/control-plane/src/db/connect.ts";
import { migrateDown, migrateUp } from "../../packages/control-plane/src/db/migrator.ts";
import { type TestDatabase, testDatabase } from "./database.ts";

let database: TestDatabase;
before(async () => {
  database = await testDatabase();
});
after(() => database[Symbol.asyncDispose]());

/** What a column's PostgreSQL type is in TypeScript. */
const TYPES: Record<string, string> = {
  text: "string",
  integer: "number",
  bigint: "number",
  boolean: "boolean",
  bytea: "Buffer",
  "timestamp with time zone": "Date",
  tstzmultirange: "string",
};

interface Column {
  type: string;
  nullable: boolean;
}

test("the Database interface has the tables, columns, types and nullability of the database", async () => {
  assert.deepEqual(await declaredTables(), await actualTables());
});

test("migrations can be taken back and applied again", async () => {
  const taken: string[] = [];
  for (let [name] = await migrateDown(database.db); name; [name] = await migrateDown(database.db)) {
    taken.unshift(name);
  }
  assert.deepEqual(await actualTables(), {});
  assert.ok(taken.length > 1);
  assert.deepEqual(await migrateUp(database.db), taken);
  assert.deepEqual(await migrateUp(database.db), [], "a second run has nothing to do");
  assert.deepEqual(await declaredTables(), await actualTables());
});

test("several processes may migrate at once", async () => {
  await migrateDown(database.db);
  const dbs = Array.from({ length: 4 }, () =>
    connectDatabase({ url: database.url, onIdleError: () => undefined }),
  );
  const applied = await Promise.all(dbs.map((db) => migrateUp(db)));
  assert.equal(applied.flat().length, 1, "one of them applied it");
  await Promise.all(dbs.map((db) => db.destroy()));
});

async function actualTables(): Promise<Record<string, Record<string, Column>>> {
  const { rows } = await sql<{ table: string; column: string; type: string; nullable: string }>`
    select table_name as table, column_name as column, data_type as type, is_nullable as nullable
    from information_schema.columns
    where table_schema = 'public' and table_name not like 'kysely_%'`.execute(database.db);
  const tables: Record<string, Record<string, Column>> = {};
  for (const { table, column, type, nullable } of rows) {
    tables[table] ??= {};
    (tables[table] as Record<string, Column>)[column] = {
      type: TYPES[type] ?? type,
      nullable: nullable === "YES",
    };
  }
  return tables;
}

/** Reads the interface as text: types are not there at run time. */
async function declaredTables(): Promise<Record<string, Record<string, Column>>> {
  const path = new URL("../../packages/control-plane/src/db/schema.ts", import.meta.url);
  const text = await readFile(path, "utf8");
  const interfaces = new Map(
    [...text.matchAll(/^(?:export )?interface (\w+) \{\n(.*?)^\}/gms)].map(([, name, body]) => [
      name,
      body ?? "",
    ]),
  );
  const tables: Record<string, Record<string, Column>> = {};
  for (const [, table, name] of (interfaces.get("Database") ?? "").matchAll(/(\w+): (\w+);/g)) {
    const columns: Record<string, Column> = {};
    for (const [, column, type] of (interfaces.get(name) ?? "").matchAll(/^ {2}(\w+): (.+);$/gm)) {
      columns[column as string] = declaredColumn(type as string);
    }
    tables[table as string] = columns;
  }
  return tables;
}

/** Aliases of text columns with a closed set of values. */
const TEXT_ALIASES = /^(?:SandboxStatus|Isolation|OnTimeout|TtlMode|TemplateType|TemplateStatus)$/;

function declaredColumn(declared: string): Column {
  const nullable = declared.endsWith(" | null");
  const bare = declared.replace(/ \| null$/, "").replace(/^(?:Generated|GeneratedAlways)<(.+)>$/, "$1");
  if (TEXT_ALIASES.test(bare)) return { type: "string", nullable };
  if (/^(?:Json|DefaultJson)</.test(bare)) return { type: "jsonb", nullable };
  return { type: bare, nullable };
}
