// The same recipe and the same packages give the same image: two whole builds, in two places, compared.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { run } from "@wrenn/linux";
import { buildRootfs, parseRecipe, type RootfsImage } from "@wrenn/template";

/** The smallest tree that holds what differs between builds: accounts, caches, Python's byte code. */
const RECIPE = parseRecipe(`
name: tiny
packages: [python3-minimal, sudo]
user: {name: user, sudo: passwordless}
`);

describe("a root file system", { timeout: 600_000 }, () => {
  let dir = "";
  let first: RootfsImage;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "reproducible-"));
    first = await buildRootfs({ recipe: RECIPE, cacheDir: join(dir, "first") });
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it("has the same bytes when it is built elsewhere at another time", async () => {
    const cacheDir = join(dir, "other/place");
    const again = await buildRootfs({ recipe: { ...RECIPE, name: "renamed" }, cacheDir });
    assert.deepEqual(again.packages, first.packages);
    assert.notEqual(again.path, first.path);
    assert.equal(again.sha256, first.sha256);
  });

  it("is a clean, sparse, read-only image that is found again at once", async () => {
    await run(["e2fsck", "-fn", first.path], { timeoutMs: 60_000 });
    const { mode, size } = await stat(first.path);
    assert.equal(mode & 0o777, 0o444);
    assert.equal(size, 1024 * MIB);
    assert.ok(first.sizeBytes < 400 * MIB, `${first.sizeBytes} bytes on disk`);
    const steps: string[] = [];
    const found = await buildRootfs({
      recipe: RECIPE,
      cacheDir: join(dir, "first"),
      onStep: (step) => steps.push(step.name),
    });
    assert.deepEqual([found, steps], [first, []]);
    assert.deepEqual(await readdir(join(dir, "first/work")), []);
  });

  it("holds byte code that Python takes without reading the source", async () => {
    const code = "/usr/lib/python3.11/__pycache__/os.cpython-311.pyc";
    const debugfs = async (command: string) =>
      (await run(["debugfs", "-R", command, first.path], { timeoutMs: 60_000 })).stdout;
    await debugfs(`dump ${code} ${join(dir, "os.pyc")}`);
    // PEP 552: flags 0 = valid for the source's time, which follows.
    const { stdout } = await run(["od", "-An", "-tu4", "-j4", "-N8", join(dir, "os.pyc")], {
      timeoutMs: 10_000,
    });
    const [flags, time] = stdout.trim().split(/\s+/).map(Number);
    const source = /mtime: 0x([0-9a-f]+)/.exec(await debugfs("stat /usr/lib/python3.11/os.py"))?.[1] ?? "";
    assert.deepEqual([flags, time], [0, Number.parseInt(source, 16)]);
  });
});
