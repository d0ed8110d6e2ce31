import assert from "node:assert/strict";
import { existsSync, lstatSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import type { Entry } from "../testing/archive.ts";
import { makeImage, writeLayout } from "../testing/test-image.ts";
import { sizeFor, withImageRootfs } from "./image-rootfs.ts";
import { openImage } from "./open-image.ts";
import { pullImage, resolveImage } from "./pull.ts";
import { unpackImage } from "./unpack.ts";

const ACCOUNTS: Entry[] = [
  { path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/bash\n" },
  { path: "etc/group", content: "root:x:0:\nshadow:x:42:\n" },
  { path: "etc/shadow", content: "root:*:19000:0:99999:7:::\n", mode: 0o640, gid: 42 },
];
const BASE: Entry[] = [
  { path: "usr/", type: "Directory" },
  { path: "usr/bin/", type: "Directory" },
  { path: "usr/bin/bash", content: "no real one", mode: 0o755 },
  { path: "bin", type: "SymbolicLink", linkpath: "usr/bin" },
  { path: "etc/", type: "Directory" },
  ...ACCOUNTS,
];

describe("withImageRootfs()", () => {
  let dir = "";
  let count = 0;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-image-"));
  });
  after(() => rm(dir, { recursive: true }));

  const signal = AbortSignal.timeout(120_000);
  /** Makes the file of an image of these layers, and returns where it is kept. */
  const build = async (layers: Entry[][], envs: string[] = []) => {
    const name = `image-${count++}`;
    await writeLayout(join(dir, name), { v1: makeImage(layers, { envs }) });
    const { source, version } = await openImage({ layoutDir: dir, registries: [] }, `oci:${name}:v1`);
    const image = await resolveImage(source, version, signal);
    const kept = join(dir, `${name}.ext4`);
    const options = { source, image, cacheDir: join(dir, "cache"), signal, onLog: () => undefined };
    await withImageRootfs(options, async ({ path, sha256, apparentBytes }) => {
      assert.match(sha256, /^[0-9a-f]{64}$/);
      assert.equal(lstatSync(path).size, apparentBytes);
      await copyFile(path, kept);
    });
    assert.deepEqual(await readdir(join(dir, "cache/work")), [], "nothing is left");
    return kept;
  };
  /** The same up to the tree, which is where an archive could do harm. */
  const unpack = async (layers: Entry[][]) => {
    const name = `image-${count++}`;
    await writeLayout(join(dir, name), { v1: makeImage(layers) });
    const { source, version } = await openImage({ layoutDir: dir, registries: [] }, `oci:${name}:v1`);
    const image = await resolveImage(source, version, signal);
    const box = join(dir, `box-${count++}`);
    await pullImage(source, image, { dir: join(box, "layout"), signal, onLog: () => undefined });
    return await unpackImage(box, signal);
  };
  const debugfs = async (image: string, command: string) =>
    (await run(["debugfs", "-R", command, image], { timeoutMs: 10_000 })).stdout;
  const cat = (image: string, path: string) => debugfs(image, `cat ${path}`);
  const stat = (image: string, path: string) => debugfs(image, `stat ${path}`);

  it("lays layers over each other: links, owners, modes, whiteouts and opaque directories", async () => {
    const image = await build(
      [
        [
          ...BASE,
          { path: "srv/", type: "Directory" },
          { path: "srv/kept", content: "below", mode: 0o640, uid: 7, gid: 8 },
          { path: "srv/hard", type: "Link", linkpath: "srv/kept" },
          { path: "srv/gone", content: "x" },
          { path: "full/", type: "Directory" },
          { path: "full/old", content: "x" },
        ],
        [
          { path: "srv/.wh.gone" },
          { path: "full/.wh..wh..opq" },
          { path: "full/new", content: "above" },
          // Through the lower layer's link, and not instead of it.
          { path: "bin/tool", content: "tool", mode: 0o4755 },
        ],
      ],
      ["PATH=/opt/bin:/usr/bin", "COLOUR=it's blue"],
    );
    assert.equal(await cat(image, "/srv/kept"), "below");
    const kept = await stat(image, "/srv/kept");
    assert.match(kept, /Mode: {2}0640/);
    assert.match(kept, /User: +7 +Group: +8 /);
    assert.match(kept, /Links: 2/);
    assert.match(await debugfs(image, "ls /srv"), /kept/);
    assert.doesNotMatch(await debugfs(image, "ls /srv"), /gone|wh/);
    const full = await debugfs(image, "ls /full");
    assert.match(full, /new/);
    assert.doesNotMatch(full, /old|wh/);
    assert.match(await stat(image, "/usr/bin/tool"), /Mode: {2}04755/);
    assert.match(await stat(image, "/bin"), /symlink/);

    const defaults = JSON.parse(await cat(image, "/etc/wrenn/defaults.json"));
    assert.deepEqual(defaults, {
      envVars: { PATH: "/opt/bin:/usr/bin", COLOUR: "it's blue" },
      defaultUser: "user",
      defaultWorkdir: "/home/user",
    });
    assert.equal(await cat(image, "/etc/profile.d/wrenn-path.sh"), "export PATH='/opt/bin:/usr/bin'\n");
    assert.match(await cat(image, "/etc/passwd"), /^user:x:1000:1000::\/home\/user:\/bin\/bash$/m);
    assert.match(await stat(image, "/home/user"), /User: +1000 +Group: +1000 /);
    assert.match(await stat(image, "/etc/shadow"), /Mode: {2}0640[\s\S]*Group: +42 /);
    await run(["e2fsck", "-fn", image], { timeoutMs: 60_000 });
  });

  it("an archive that wants out finds nothing there", async () => {
    const secret = join(dir, "secret");
    await writeFile(secret, "the host's");
    await mkdir(join(dir, "target"));
    const outside = join(dir, "target/escaped");
    let unpacked = 0;
    const relative = `${"../".repeat(20)}${outside.slice(1)}`;
    for (const attack of [
      [{ path: relative, content: "out" }],
      [{ path: outside, content: "out" }],
      [
        { path: "out", type: "SymbolicLink", linkpath: join(dir, "target") },
        { path: "out/escaped", content: "out" },
      ],
      [
        { path: "a/", type: "Directory" },
        {
          path: "a/out",
          type: "SymbolicLink",
          linkpath: `${"../".repeat(20)}${join(dir, "target").slice(1)}`,
        },
        { path: "a/out/escaped", content: "out" },
      ],
      [
        { path: "leak", type: "Link", linkpath: `${"../".repeat(20)}${secret.slice(1)}` },
        { path: "leak", content: "overwritten" },
      ],
    ] as Entry[][]) {
      const tree = await unpack([BASE, attack]).catch((reason: { code: string }) => {
        assert.equal(reason.code, "invalid_argument", String(reason));
        return undefined;
      });
      assert.equal(existsSync(outside), false, JSON.stringify(attack));
      assert.equal(await readFile(secret, "utf8"), "the host's");
      if (!tree) continue;
      // Whatever was made of it lies within the tree.
      unpacked++;
      const leak = await readFile(join(tree, "leak"), "utf8").catch(() => "");
      assert.notEqual(leak, "the host's");
    }
    assert.ok(unpacked > 0, "not all were refused for another reason");
  });

  it("what has a guest's names and leads elsewhere is refused, and the host's files stay", async () => {
    const before = {
      passwd: await readFile("/etc/passwd", "utf8"),
      hosts: await readFile("/etc/hosts", "utf8"),
    };
    const without = BASE.filter(({ path }) => !path.startsWith("etc/"));
    for (const [path, linkpath] of [
      ["etc", "/etc"],
      ["home", "/home"],
      ["tmp", "/tmp"],
      ["run", dir],
    ] as const) {
      const link: Entry = { path, type: "SymbolicLink", linkpath };
      const layer = path === "etc" ? [...without, link] : [...BASE, link];
      await assert.rejects(build([layer]), { code: "invalid_argument" }, path);
    }
    const passwd: Entry = { path: "etc/passwd", type: "SymbolicLink", linkpath: "/etc/passwd" };
    const others = BASE.filter(({ path }) => path !== "etc/passwd");
    await assert.rejects(build([[...others, passwd]]), { code: "invalid_argument" });
    assert.equal(await readFile("/etc/passwd", "utf8"), before.passwd);
    assert.equal(await readFile("/etc/hosts", "utf8"), before.hosts);
    assert.ok(existsSync(join(dir, "cache")), "nothing was emptied");
  });

  it("an image without bash is refused by that", async () => {
    await assert.rejects(build([BASE.filter(({ path }) => path !== "usr/bin/bash")]), /no bash/);
  });

  it("has room for its files and their number", () => {
    assert.equal(sizeFor(10, 0), 1024);
    assert.ok(sizeFor(1_000_000, 0) > 15_000);
    assert.ok(sizeFor(10, 4 * 2 ** 30) > 4_500);
    assert.throws(() => sizeFor(10, 70 * 2 ** 30), { code: "too_large" });
  });
});
