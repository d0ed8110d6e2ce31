import assert from "node:assert/strict";
import { chmod, link, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { run, until } from "@wrenn/linux";
import { fileSha256 } from "../cache/hash.ts";
import { makeExt4, usedInodes } from "./image.ts";
import { fixTimes } from "./tree.ts";

const EPOCH = 1_600_000_000;

/** The same tree each time, its files made in the given order. */
async function makeTree(root: string, order: number[]): Promise<void> {
  await mkdir(join(root, "dir"), { recursive: true });
  for (const n of order) {
    await writeFile(join(root, `file${n}`), `content ${n}`);
    await writeFile(join(root, "dir", `file${n}`), "x".repeat(n * 5000));
  }
  await chmod(join(root, "file1"), 0o4755);
  await utimes(join(root, "file2"), 1_500_000_000, 1_500_000_000);
  await link(join(root, "file3"), join(root, "dir/again"));
  await symlink("/nowhere/at/all", join(root, "link"));
}

describe("makeExt4()", () => {
  it("gives the same bytes for the same tree, made in another order at another time", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "image-"));
    t.after(() => rm(dir, { recursive: true }));
    const build = async (name: string, order: number[]) => {
      const scratch = join(dir, name);
      await mkdir(scratch);
      const { mtimeMs: since } = await stat(scratch);
      const tree = join(scratch, "tree");
      await makeTree(tree, order);
      await fixTimes(tree, since, EPOCH);
      const image = join(scratch, "image");
      const uuid = "01234567-89ab-8def-8123-456789abcdef";
      await makeExt4({ tree, image, sizeMb: 16, epoch: EPOCH, uuid, scratch });
      return image;
    };
    const first = await build("first", [1, 2, 3, 4]);
    const second = Math.floor(Date.now() / 1000);
    assert.ok(await until(() => Math.floor(Date.now() / 1000) > second, { timeoutMs: 5000 }));
    const other = await build("other", [3, 1, 4, 2]);
    assert.equal(await fileSha256(first), await fileSha256(other));

    await run(["e2fsck", "-fn", first], { timeoutMs: 10_000 });
    const debugfs = async (command: string) =>
      (await run(["debugfs", "-R", command, first], { timeoutMs: 10_000 })).stdout;
    assert.match(await debugfs("stat /file1"), /Mode:\s+04755/);
    for (const stamp of (await debugfs("stat /file1")).matchAll(/[acm]r?time: 0x([0-9a-f]+)/g)) {
      assert.equal(Number.parseInt(stamp[1] ?? "", 16), EPOCH, stamp[0]);
    }
    assert.match(await debugfs("stat /file2"), /mtime: 0x59682f00/);
    assert.match(await debugfs("stat /dir/again"), /Links: 2/);
    assert.match(await debugfs("stat /link"), /Fast link dest: "\/nowhere\/at\/all"/);
  });
});

describe("usedInodes()", () => {
  it("takes the ranges that are free out of all", () => {
    const dump =
      "Inode count:              32\n\n  Free inodes: 14, 16-20\n  Free inodes: 25-32\n  Free inodes: \n";
    assert.deepEqual(usedInodes(dump), [2, 11, 12, 13, 15, 21, 22, 23, 24]);
  });
});
