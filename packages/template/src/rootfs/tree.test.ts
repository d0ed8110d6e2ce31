import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { GUEST } from "@wrenn/linux";
import { walk } from "../cache/walk.ts";
import { parseRecipe } from "../recipe/parse.ts";
import { finishTree } from "./tree.ts";

/** As much of a fresh installation as is looked at. */
const FRESH = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
  "etc/passwd-": "root\n",
  "etc/group": "root:x:0:\n",
  "etc/shadow": "root:*:20254:0:99999:7:::\n",
  "etc/gshadow": "root:*::\n",
  "etc/.pwd.lock": "",
  "etc/hostname": "the-build-host\n",
  "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
  "etc/skel/.bashrc": "# shell\n",
  "etc/sudoers.d/README": "",
  "etc/apt/sources.list.d/0000host.sources": "URIs: http://user:secret@mirror.internal/debian\n",
  "etc/apt/apt.conf.d/99mmdebstrap": "",
  "etc/apt/apt.conf.d/01autoremove": "",
  "etc/ssh/ssh_host_ed25519_key": "secret",
  "tmp/left/over": "",
  "var/log/apt/history.log": "Start-Date: 2026-01-01\n",
  "var/cache/apt/archives/x.deb": "",
  "var/cache/debconf/config.dat-old": "",
  "var/lib/dpkg/status": "Package: x\n",
  "var/lib/dpkg/status-old": "",
};

const RECIPE = parseRecipe("{name: x, packages: [sudo], user: {name: ann, sudo: passwordless}}");

describe("finishTree()", () => {
  it("removes the traces of the build and adds what a guest expects", async (t) => {
    const base = await mkdtemp(join(tmpdir(), "tree-"));
    t.after(() => rm(base, { recursive: true }));
    const root = join(base, "root");
    for (const [path, content] of Object.entries(FRESH)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    // Links out of the tree, as packages make them for the booted system.
    const outside = join(base, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "ssh_host_rsa_key"), "the host's");
    await writeFile(join(outside, "resolv.conf"), "the host's");
    await symlink(join(outside, "resolv.conf"), join(root, "etc/resolv.conf"));
    await symlink(outside, join(root, "run"));

    await finishTree(root, RECIPE);

    const paths = (await walk(root)).filter((entry) => !entry.isDirectory).map((entry) => entry.path);
    assert.deepEqual(paths, [
      "etc/apt/apt.conf.d/01autoremove",
      "etc/apt/sources.list",
      "etc/group",
      "etc/gshadow",
      "etc/hostname",
      "etc/hosts",
      "etc/machine-id",
      "etc/passwd",
      "etc/resolv.conf",
      "etc/shadow",
      "etc/skel/.bashrc",
      "etc/sudoers.d/README",
      "etc/sudoers.d/ann",
      "home/ann/.bashrc",
      "run",
      "var/lib/dpkg/status",
    ]);
    const read = (path: string) => readFile(join(root, path), "utf8");
    assert.equal(await read("etc/hostname"), "sandbox\n");
    assert.equal(await read("etc/machine-id"), "");
    assert.equal(await read("etc/resolv.conf"), `nameserver ${GUEST.resolver}\n`);
    assert.doesNotMatch(await read("etc/apt/sources.list"), /internal/);
    assert.equal(await read("etc/sudoers.d/ann"), "ann ALL=(ALL:ALL) NOPASSWD: ALL\n");
    const modeAndOwner = async (path: string) => {
      const { mode, uid } = await lstat(join(root, path));
      return [(mode & 0o7777).toString(8), uid];
    };
    assert.deepEqual(await modeAndOwner("etc/sudoers.d/ann"), ["440", 0]);
    assert.deepEqual(await modeAndOwner("etc/shadow"), ["640", 0]);
    assert.deepEqual(await modeAndOwner("home/ann"), ["755", 1000]);
    assert.equal((await modeAndOwner("home/ann/.bashrc"))[1], 1000);
    assert.equal(await readFile(join(outside, "resolv.conf"), "utf8"), "the host's");
    assert.equal(await readFile(join(outside, "ssh_host_rsa_key"), "utf8"), "the host's");
  });

  it("does not take over a directory of a package as a home", async (t) => {
    const root = await mkdtemp(join(tmpdir(), "tree-"));
    t.after(() => rm(root, { recursive: true }));
    await mkdir(join(root, "srv/ann"), { recursive: true });
    await mkdir(join(root, "etc/apt"), { recursive: true });
    for (const name of ["passwd", "group", "shadow", "gshadow"]) await writeFile(join(root, "etc", name), "");
    const recipe = parseRecipe("{name: x, user: {name: ann, home: /srv/ann}}");
    await assert.rejects(finishTree(root, recipe), { code: "invalid_argument", field: "recipe.user.home" });
  });
});
