import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { findSuites } from "./suites.ts";
import { batches } from "./together.ts";

const repository = join(import.meta.dirname, "..");

it("every file of every suite is in one batch, and its module names it", () => {
  const directory = mkdtempSync(join(tmpdir(), "wrenn-together-"));
  try {
    const suites = findSuites(repository);
    const made = batches(suites, directory);
    assert.deepEqual(
      made.flatMap(({ files }) => files).toSorted(),
      suites.flatMap(({ files }) => files).toSorted(),
    );
    for (const { entry, files } of made) {
      if (files.length === 1) assert.equal(entry, files[0]);
      else for (const file of files) assert.ok(readFileSync(entry, "utf8").includes(`import("${file}")`));
    }
    const lent = made.filter(({ suite, files }) => suite === "e2e" && files.length > 1);
    assert.equal(lent.length, 2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it("a file that is chosen alone runs by itself", () => {
  const file = join(repository, "tests/e2e/exec.test.ts");
  const suite = { name: "e2e", files: [file], alone: false, onRequest: false };
  assert.deepEqual(batches([suite], "/absent"), [{ suite: "e2e", entry: file, files: [file] }]);
});
