// The list that ./wrenn installs from, against what the packages say they need.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HOST_PACKAGES } from "@wrenn/template";

const listed = readFileSync(join(import.meta.dirname, "../../deploy/debian-packages.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

test("holds every package that an image build needs", () => {
  assert.deepEqual(
    HOST_PACKAGES.filter((name) => !listed.includes(name)),
    [],
  );
});

test("holds names only, each once", () => {
  assert.deepEqual(
    listed.filter((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name)),
    [],
  );
  assert.equal(new Set(listed).size, listed.length);
});
