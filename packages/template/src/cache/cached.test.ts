import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { cached } from "./cached.ts";
import { partsSha256 } from "./hash.ts";
import { publish } from "./publish.ts";
import { walk } from "./walk.ts";

describe("the cache", () => {
  let cacheDir = "";
  beforeEach(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), "cache-"));
  });
  afterEach(() => rm(cacheDir, { recursive: true }));

  const makeFile = async ({ scratch, path }: { scratch: string; path: string }) => {
    await writeFile(join(scratch, "new"), "made");
    await publish(join(scratch, "new"), path);
  };

  it("makes a thing once, however many ask for it, and read-only", async () => {
    let made = 0;
    const ask = () =>
      cached({ cacheDir, name: "a/b" }, async (work) => {
        made++;
        await makeFile(work);
      });
    const paths = await Promise.all([ask(), ask(), ask()]);
    assert.equal(made, 1);
    assert.deepEqual(new Set(paths), new Set([join(cacheDir, "a/b")]));
    assert.equal(await readFile(join(cacheDir, "a/b"), "utf8"), "made");
    assert.equal((await stat(join(cacheDir, "a/b"))).mode & 0o777, 0o444);
    assert.deepEqual(await readdir(join(cacheDir, "work")), []);
  });

  it("keeps nothing of a failure, and makes it the next time", async () => {
    const failure = new Error("half-way");
    const failing = cached({ cacheDir, name: "thing" }, async ({ scratch }) => {
      await writeFile(join(scratch, "half"), "");
      throw failure;
    });
    await assert.rejects(failing, failure);
    assert.deepEqual(await readdir(join(cacheDir, "work")), []);
    await cached({ cacheDir, name: "thing" }, makeFile);
    assert.equal(await readFile(join(cacheDir, "thing"), "utf8"), "made");
  });

  it("clears what a killed build has left", async () => {
    await mkdir(join(cacheDir, "work/thing/deep"), { recursive: true });
    await cached({ cacheDir, name: "thing" }, async (work) => {
      assert.deepEqual(await readdir(work.scratch), []);
      await makeFile(work);
    });
  });

  it("publishes directories whole", async () => {
    const path = await cached({ cacheDir, name: "dir" }, async (work) => {
      await mkdir(join(work.scratch, "d/e"), { recursive: true });
      await writeFile(join(work.scratch, "d/e/file"), "x", { mode: 0o755 });
      await publish(join(work.scratch, "d"), work.path);
    });
    assert.equal((await stat(join(path, "e/file"))).mode & 0o777, 0o444);
  });
});

describe("walk()", () => {
  it("names links and does not follow them", async (t) => {
    const root = await mkdtemp(join(tmpdir(), "walk-"));
    t.after(() => rm(root, { recursive: true }));
    await mkdir(join(root, "b/c"), { recursive: true });
    await writeFile(join(root, "b/c/file"), "");
    await symlink("/", join(root, "a"));
    await symlink("/proc/self/fd", join(root, "b/z"));
    assert.deepEqual(await walk(root), [
      { path: "a", isDirectory: false },
      { path: "b", isDirectory: true },
      { path: "b/c", isDirectory: true },
      { path: "b/c/file", isDirectory: false },
      { path: "b/z", isDirectory: false },
    ]);
  });
});

describe("partsSha256()", () => {
  it("tells where one part ends", () => {
    assert.notEqual(partsSha256(["a", "b"]), partsSha256(["ab"]));
    assert.notEqual(partsSha256(["ab", ""]), partsSha256(["", "ab"]));
    assert.equal(partsSha256(["ab"]), partsSha256([Buffer.from("ab")]));
  });
});
