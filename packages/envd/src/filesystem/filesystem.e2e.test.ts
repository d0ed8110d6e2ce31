// filesystem.Filesystem against a running agent.
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Filesystem, FileType } from "@wrenn/rpc/envd";
import { RunningEnvd } from "../testing/running-envd.ts";

let envd: RunningEnvd;
let root: string;
let dir: string;
let count = 0;
before(async () => {
  envd = await RunningEnvd.start();
  root = mkdtempSync(join(tmpdir(), "envd-filesystem-"));
});
beforeEach(() => {
  dir = join(root, String(count++));
  mkdirSync(dir);
});
after(async () => {
  await envd[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const failsWith = (code: Code, field?: string) => (error: unknown) => {
  assert.ok(error instanceof ConnectError, String(error));
  assert.deepEqual(
    [Code[error.code], error.metadata.get("wrenn-field") ?? undefined],
    [Code[code], field],
    error.message,
  );
  return true;
};

test("Stat tells what is there", async () => {
  writeFileSync(`${dir}/f`, "12345");
  chmodSync(`${dir}/f`, 0o640);
  symlinkSync("f", `${dir}/link`);
  symlinkSync("nowhere", `${dir}/dangling`);
  const { entry } = await envd.filesystem.stat({ path: `${dir}/f` });
  assert.deepEqual(
    [
      entry?.name,
      entry?.type,
      entry?.path,
      entry?.size,
      entry?.mode,
      entry?.permissions,
      entry?.owner,
      entry?.group,
    ],
    ["f", FileType.FILE, `${dir}/f`, 5n, 0o640, "-rw-r-----", "root", "root"],
  );
  assert.ok(entry?.modifiedTime && Math.abs(timestampMs(entry.modifiedTime) - Date.now()) < 60_000);
  const link = (await envd.filesystem.stat({ path: `${dir}/link` })).entry;
  assert.deepEqual([link?.type, link?.symlinkTarget], [FileType.FILE, "f"]);
  const dangling = (await envd.filesystem.stat({ path: `${dir}/dangling` })).entry;
  assert.deepEqual([dangling?.type, dangling?.symlinkTarget], [FileType.SYMLINK, "nowhere"]);
  const top = (await envd.filesystem.stat({ path: "/" })).entry;
  assert.deepEqual([top?.name, top?.type, top?.path], ["/", FileType.DIRECTORY, "/"]);
  assert.equal((await envd.filesystem.stat({ path: "/dev/null" })).entry?.type, FileType.UNSPECIFIED);
  assert.equal((await envd.filesystem.stat({ path: "~" })).entry?.path, "/root");
  await assert.rejects(envd.filesystem.stat({ path: `${dir}/missing` }), failsWith(Code.NotFound, "path"));
  for (const path of ["", "a\0b", "x".repeat(5000)]) {
    await assert.rejects(envd.filesystem.stat({ path }), failsWith(Code.InvalidArgument, "path"));
  }
});

test("ListDir goes as deep as asked, and not through links", async () => {
  mkdirSync(`${dir}/a/b/c`, { recursive: true });
  writeFileSync(`${dir}/a/f`, "");
  symlinkSync("a", `${dir}/link`);
  const list = async (path: string, depth: number) =>
    (await envd.filesystem.listDir({ path, depth })).entries.map((e) => e.path.slice(path.length + 1));
  assert.deepEqual(await list(dir, 0), ["a", "link"]);
  assert.deepEqual(await list(dir, 1), ["a", "link"]);
  assert.deepEqual(await list(dir, 2), ["a", "a/b", "a/f", "link"]);
  assert.deepEqual(await list(dir, 9), ["a", "a/b", "a/b/c", "a/f", "link"]);
  assert.deepEqual(await list(`${dir}/link`, 1), ["b", "f"], "a link that is asked for itself is followed");
  await assert.rejects(list(`${dir}/a/f`, 1), failsWith(Code.InvalidArgument, "path"));
  await assert.rejects(list(`${dir}/none`, 1), failsWith(Code.NotFound, "path"));
});

test("ListDir refuses more entries than one answer holds", async () => {
  for (let i = 0; i <= 20_000; i++) symlinkSync("x", `${dir}/${i}`);
  await assert.rejects(envd.filesystem.listDir({ path: dir }), failsWith(Code.ResourceExhausted, "depth"));
  rmSync(`${dir}/0`);
  assert.equal((await envd.filesystem.listDir({ path: dir })).entries.length, 20_000);
});

test("MakeDir makes what is missing for the user", async () => {
  const asNobody = createClient(Filesystem, envd.transport("nobody"));
  const { entry } = await asNobody.makeDir({ path: `${dir}/a/b` });
  assert.deepEqual([entry?.path, entry?.owner, entry?.permissions], [`${dir}/a/b`, "nobody", "drwxr-xr-x"]);
  assert.deepEqual([statSync(`${dir}/a`).uid, statSync(dir).uid], [65534, 0]);
  await assert.rejects(asNobody.makeDir({ path: `${dir}/a` }), failsWith(Code.AlreadyExists));
  writeFileSync(`${dir}/f`, "");
  await assert.rejects(asNobody.makeDir({ path: `${dir}/f` }), failsWith(Code.InvalidArgument, "path"));
  await assert.rejects(asNobody.makeDir({ path: `${dir}/f/g` }), failsWith(Code.InvalidArgument, "path"));
});

test("Move renames, making the way", async () => {
  writeFileSync(`${dir}/f`, "content");
  const { entry } = await envd.filesystem.move({ source: `${dir}/f`, destination: `${dir}/x/g` });
  assert.equal(entry?.path, `${dir}/x/g`);
  assert.deepEqual([existsSync(`${dir}/f`), existsSync(`${dir}/x/g`)], [false, true]);
  await assert.rejects(
    envd.filesystem.move({ source: `${dir}/f`, destination: `${dir}/new/h` }),
    failsWith(Code.NotFound, "source"),
  );
  assert.ok(!existsSync(`${dir}/new`));
  await assert.rejects(
    envd.filesystem.move({ source: `${dir}/x`, destination: `${dir}/x/y` }),
    failsWith(Code.InvalidArgument, "destination"),
  );
});

test("Remove removes trees, links themselves, and minds nothing that is not there", async () => {
  mkdirSync(`${dir}/a/b`, { recursive: true });
  writeFileSync(`${dir}/a/b/f`, "");
  mkdirSync(`${dir}/kept`);
  symlinkSync("../kept", `${dir}/a/link`);
  await envd.filesystem.remove({ path: `${dir}/a` });
  await envd.filesystem.remove({ path: `${dir}/a` });
  await envd.filesystem.remove({ path: "/etc/passwd/none" });
  assert.deepEqual(readdirSync(dir), ["kept"]);
  await assert.rejects(envd.filesystem.remove({ path: "/" }), failsWith(Code.InvalidArgument, "path"));
  await assert.rejects(envd.filesystem.remove({ path: "/../.." }), failsWith(Code.InvalidArgument, "path"));
});
