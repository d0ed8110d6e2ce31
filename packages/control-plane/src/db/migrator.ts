// Applies the .sql files of `migrations/`, each in a transaction, under Kysely's advisory lock.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { type Migration, type MigrationResultSet, Migrator } from "kysely/migration";
import type { Db } from "./connect.ts";

export const MIGRATIONS_DIR: string = fileURLToPath(new URL("./migrations/", import.meta.url));

const FILE_NAME = /^(\d{14}_[a-z0-9_]+)\.sql$/;
const UP = "-- migrate:up";
const DOWN = "-- migrate:down";

/** Applies what is missing. Returns the names that were applied. Safe to run from several processes at once. */
export async function migrateUp(db: Db, dir: string = MIGRATIONS_DIR): Promise<string[]> {
  return applied(await migrator(db, dir).migrateToLatest());
}

/** Takes back the newest migration. Returns its name, or nothing when there is none. */
export async function migrateDown(db: Db, dir: string = MIGRATIONS_DIR): Promise<string[]> {
  return applied(await migrator(db, dir).migrateDown());
}

/** Writes an empty migration and returns its path. */
export async function createMigration(
  name: string,
  now: Date,
  dir: string = MIGRATIONS_DIR,
): Promise<string> {
  const stamp = now.toISOString().replace(/\D/g, "").slice(0, 14);
  const file = `${stamp}_${name}.sql`;
  if (!FILE_NAME.test(file)) throw new Error(`migration name must match [a-z0-9_]+, got "${name}"`);
  const path = join(dir, file);
  const head = "-- What it does, which locks it takes and for how long.\n\n";
  await writeFile(path, `${head}${UP}\n\n${DOWN}\n`, { flag: "wx" });
  return path;
}

/** Splits a migration file into its two parts. */
export function parseMigration(text: string, file: string): { up: string; down: string } {
  const up = text.indexOf(`${UP}\n`);
  const down = text.indexOf(`${DOWN}\n`);
  if (up < 0 || down < up)
    throw new Error(`${file} must hold "${UP}" and then "${DOWN}", each on its own line`);
  return { up: text.slice(up, down), down: text.slice(down) };
}

function migrator(db: Db, dir: string): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => readMigrations(dir) } });
}

async function readMigrations(dir: string): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  for (const file of await readdir(dir)) {
    const name = FILE_NAME.exec(file)?.[1];
    if (name === undefined) throw new Error(`${join(dir, file)} is not named YYYYMMDDHHMMSS_name.sql`);
    const { up, down } = parseMigration(await readFile(join(dir, file), "utf8"), file);
    migrations[name] = {
      up: async (tx) => void (await sql.raw(up).execute(tx)),
      down: async (tx) => void (await sql.raw(down).execute(tx)),
    };
  }
  return migrations;
}

function applied({ error, results = [] }: MigrationResultSet): string[] {
  if (error !== undefined) {
    const failed = results.find((result) => result.status === "Error");
    throw new Error(`migration ${failed?.migrationName ?? "run"} failed: ${String(error)}`, { cause: error });
  }
  return results.filter((result) => result.status === "Success").map((result) => result.migrationName);
}
