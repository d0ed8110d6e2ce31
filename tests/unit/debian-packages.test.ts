// The list that ./wrenn installs from, against what the packages say they need.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HOST_PACKAGES } from "@wrenn/template";

const namesIn = (list: string) =>
  readFileSync(join(import.meta.dirname, "../../deploy", list), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

const listed = namesIn("debian-packages.txt");
const forTests = namesIn("debian-packages-tests.txt");
const forBench = namesIn("debian-packages-bench.txt");

test("holds every package that an image build needs", () => {
  assert.deepEqual(
    HOST_PACKAGES.filter((name) => !listed.includes(name)),
    [],
  );
});

test("holds names only, each once", () => {
  const all = [...listed, ...forTests, ...forBench];
  assert.deepEqual(
    all.filter((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name)),
    [],
  );
  assert.equal(new Set(all).size, all.length);
});
