import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import { ImageStore } from "./image-store.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-images-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("ImageStore", () => {
  it("keeps a file of its own file system as a link, once, and removes what was never finished", async () => {
    const store = await ImageStore.open(join(dir, "data"));
    const file = join(dir, "file");
    writeFileSync(file, "content");
    const name = await store.keep(file);
    assert.equal(await store.keep(file), name);
    assert.equal(statSync(store.path(name)).ino, statSync(file).ino);
    writeFileSync(`${store.path(name)}.new`, "half");
    const again = await ImageStore.open(join(dir, "data"));
    assert.deepEqual(
      (await again.list()).map((image) => image.name),
      [name],
    );
    assert.throws(() => statSync(`${store.path(name)}.new`), { code: "ENOENT" });
  });

  it("lists what is there while something of it goes", async () => {
    const store = await ImageStore.open(join(dir, "data"));
    writeFileSync(join(dir, "file"), "content");
    const name = await store.keep(join(dir, "file"));
    // A name that is read and leads to nothing, as that of a file which goes between the two.
    symlinkSync(join(dir, "gone"), store.path("0".repeat(64)));
    assert.deepEqual(
      (await store.list()).map((image) => image.name),
      [name],
    );
  });

  it("removes what is not needed at the moment at which it would go", async () => {
    const store = await ImageStore.open(join(dir, "data"));
    const names: string[] = [];
    for (const content of ["one", "two", "three"]) {
      writeFileSync(join(dir, content), content);
      names.push(await store.keep(join(dir, content)));
    }
    const [first = "", second = ""] = (await store.list()).map(({ name }) => name);
    const needed = new Set(names.filter((name) => name !== first && name !== second));
    const gone = await store.sweep(() => {
      // Somebody begins to need the second while the first goes.
      if (statSync(store.path(first), { throwIfNoEntry: false }) === undefined) needed.add(second);
      return needed;
    });
    assert.deepEqual(gone, [first]);
    assert.ok(await store.has(second));
  });

  it("keeps a file of another file system as a copy", async () => {
    const mount = join(dir, "other");
    mkdirSync(mount);
    await run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "wrenn-test", mount], { timeoutMs: 5000 });
    try {
      writeFileSync(join(mount, "file"), "content");
      const store = await ImageStore.open(join(dir, "data"));
      const name = await store.keep(join(mount, "file"));
      assert.equal(readFileSync(store.path(name), "utf8"), "content");
      assert.equal((await store.list()).length, 1);
    } finally {
      await run(["umount", mount], { timeoutMs: 5000 });
    }
  });
});
