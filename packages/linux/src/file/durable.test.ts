import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { removeSynced, removeUnfinished, replaceFile, unfinishedName, writeSynced } from "./durable.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-durable-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("replaceFile()", () => {
  it("leaves one file, for its owner alone, whatever was there before", async () => {
    const path = join(dir, "a");
    writeFileSync(unfinishedName(path), "what a crash has left, and longer");
    await replaceFile(path, "one");
    await replaceFile(path, "two");
    assert.deepEqual(readdirSync(dir), ["a"]);
    assert.equal(readFileSync(path, "utf8"), "two");
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("keeps the old one when the new one cannot be written", async () => {
    const path = join(dir, "a");
    await replaceFile(path, "one");
    mkdirSync(unfinishedName(path));
    await assert.rejects(replaceFile(path, "two"), { code: "EISDIR" });
    assert.equal(readFileSync(path, "utf8"), "one");
  });

  it("leaves nothing of one that does not get its name", async () => {
    mkdirSync(join(dir, "a", "b"), { recursive: true });
    await assert.rejects(replaceFile(join(dir, "a"), "one"), { code: "EISDIR" });
    assert.deepEqual(readdirSync(dir), ["a"]);
  });
});

describe("a directory", () => {
  it("is rid of what was never finished, and of nothing else", async () => {
    for (const name of ["a.new", "a", "b.json.new", "new"]) await writeSynced(join(dir, name), "x");
    assert.deepEqual((await removeUnfinished(dir)).sort(), ["a.new", "b.json.new"]);
    assert.deepEqual(readdirSync(dir).sort(), ["a", "new"]);
    await removeSynced(join(dir, "a"));
    await removeSynced(join(dir, "a"));
    assert.deepEqual(readdirSync(dir), ["new"]);
    await assert.rejects(writeSynced(join(dir, "new"), "y"), { code: "EEXIST" });
  });
});
