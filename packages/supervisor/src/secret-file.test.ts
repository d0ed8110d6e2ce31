import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { newToken } from "@wrenn/core";
import { secretFile } from "./secret-file.ts";

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), "wrenn-secret-"));
});
after(() => rmSync(directory, { recursive: true }));

test("a secret is made once, for its owner only, and then stays", async () => {
  const path = join(directory, "key");
  const first = await secretFile(path, newToken);
  assert.match(first, /^[0-9a-f]{64}$/);
  assert.equal(await secretFile(path, newToken), first);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ["key"]);
});
