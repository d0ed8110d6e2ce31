import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { createMigration, parseMigration } from "./migrator.ts";

test("parseMigration() splits a file into its parts", () => {
  const { up, down } = parseMigration(
    "-- why\n\n-- migrate:up\ncreate;\n\n-- migrate:down\ndrop;\n",
    "f.sql",
  );
  assert.match(up, /create;/);
  assert.doesNotMatch(up, /drop/);
  assert.match(down, /drop;/);
});

test("parseMigration() refuses a file without both parts in order, by name", () => {
  for (const text of ["", "-- migrate:up\n", "-- migrate:down\n", "-- migrate:down\n-- migrate:up\n"]) {
    assert.throws(() => parseMigration(text, "f.sql"), /f\.sql/);
  }
});

test("createMigration() writes an empty migration that can be parsed, and overwrites none", async () => {
  const dir = await mkdtemp(join(tmpdir(), "wrenn-migrations-"));
  try {
    const now = new Date("2026-01-02T03:04:05.678Z");
    const path = await createMigration("add_things", now, dir);
    assert.equal(basename(path), "20260102030405_add_things.sql");
    parseMigration(await readFile(path, "utf8"), path);
    await assert.rejects(createMigration("add_things", now, dir));
    await assert.rejects(createMigration("../evil", now, dir), /name/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
