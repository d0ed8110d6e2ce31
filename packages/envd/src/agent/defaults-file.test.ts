import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readDefaults, writeDefaults } from "./defaults-file.ts";

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "wrenn-defaults-"));
});
after(() => rm(dir, { recursive: true }));

test("what is written is read, and replaced as a whole", () => {
  const path = join(dir, "a/defaults.json");
  assert.equal(readDefaults(path), undefined);
  writeDefaults(path, { envVars: { A: "é\n" }, defaultUser: "user" });
  assert.deepEqual(readDefaults(path), { envVars: { A: "é\n" }, defaultUser: "user" });
  writeDefaults(path, { defaultWorkdir: "/srv" });
  assert.deepEqual(readDefaults(path), { defaultWorkdir: "/srv" });
});

test("a file that others may write, a link, and what is no description are refused", async () => {
  const path = join(dir, "open");
  writeDefaults(path, { defaultUser: "user" });
  await chmod(path, 0o666);
  assert.throws(() => readDefaults(path), /written by others/);
  await symlink("open", join(dir, "link"));
  assert.throws(() => readDefaults(join(dir, "link")), { code: "ELOOP" });
  for (const text of ["", "[]", '{"defaultUser":7}', '{"envVars":{"A=B":"x"}}']) {
    await writeFile(join(dir, "wrong"), text);
    await chmod(join(dir, "wrong"), 0o644);
    assert.throws(() => readDefaults(join(dir, "wrong")), text);
  }
});

test("only what is a default is taken from it", async () => {
  const path = join(dir, "more");
  await writeFile(path, JSON.stringify({ defaultUser: "user", accessToken: "x", hostname: "h" }));
  await chmod(path, 0o644);
  assert.deepEqual(readDefaults(path), { defaultUser: "user" });
});
