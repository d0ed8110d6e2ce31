// ./wrenn, as far as it goes without installing anything: a copy of it in a tree where everything is in place.
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const repository = join(import.meta.dirname, "../..");
const NOBODY = 65_534;
let tree: string;

before(() => {
  tree = mkdtempSync(join(tmpdir(), "wrenn script "));
  chmodSync(tree, 0o755);
  for (const folder of ["deploy", "node_modules/.bin", "packages/cli/src", "bin"]) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  copyFileSync(join(repository, "wrenn"), join(tree, "wrenn"));
  writeFileSync(join(tree, "deploy/debian-packages.txt"), "# what every Debian has\n\ndash\nutil-linux\n");
  writeFileSync(join(tree, "deploy/debian-packages-tests.txt"), "\ndash\n");
  writeFileSync(join(tree, "package-lock.json"), "{}\n");
  writeFileSync(join(tree, "packages/cli/src/main.ts"), "");
  // In place of Node: shows what it was given, one argument a line.
  writeFileSync(join(tree, "node_modules/.bin/node"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", { mode: 0o755 });
  symlinkSync("../wrenn", join(tree, "bin/wrenn"));
  stamp("run");
});

after(() => rmSync(tree, { recursive: true }));

describe("./wrenn", () => {
  it("hands over to the CLI with the arguments untouched", () => {
    const args = ["run", "--", "sh", "-c", 'echo "$HOME" *', ""];
    const { status, stdout, stderr } = start(args);
    assert.equal(stderr, "");
    assert.equal(status, 0);
    assert.deepEqual(stdout.split("\n").slice(0, -1), [join(tree, "packages/cli/src/main.ts"), ...args]);
  });

  it("finds its directory through symbolic links and from anywhere", () => {
    symlinkSync(join(tree, "bin/wrenn"), join(tree, "again"));
    const { stdout } = start(["--help"], { script: join(tree, "again"), cwd: "/" });
    assert.equal(stdout.split("\n")[0], join(tree, "packages/cli/src/main.ts"));
  });

  it("tells who is not root which commands need it", () => {
    for (const command of ["up", "down", "run", "test", "doctor"]) {
      const { status, stdout, stderr } = start([command], { uid: NOBODY });
      assert.equal(status, 1, command);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`^wrenn: '${command}' .* needs root: sudo \\S.* ${command}\n$`));
    }
  });

  it("lets who is not root use the rest", () => {
    for (const args of [["--help"], ["sandbox", "ls"], ["up", "--help"]]) {
      assert.equal(start(args, { uid: NOBODY }).status, 0, args.join(" "));
    }
    const remote = start(["run"], { uid: NOBODY, env: { WRENN_URL: "http://192.0.2.1" } });
    assert.equal(remote.status, 0);
  });

  it("does not install as somebody who cannot write", () => {
    writeFileSync(join(tree, "package-lock.json"), '{ "changed": true }\n');
    const { status, stderr } = start(["--help"], { uid: NOBODY });
    assert.equal(status, 1);
    assert.match(stderr, /^wrenn: npm packages are missing in .*: run this once as its owner/);
    writeFileSync(join(tree, "package-lock.json"), "{}\n");
  });

  it("costs less than 50 ms when there is nothing to install", () => {
    // Processor time, of the cheapest run: what else the machine does is not the script's doing.
    const milliseconds = Array.from({ length: 9 }, () => processorTime(["--help"]));
    assert.ok(Math.min(...milliseconds) < 50, `took ${milliseconds}`);
  });
});

interface StartOptions {
  script?: string;
  cwd?: string;
  uid?: number;
  env?: Record<string, string>;
}

function start(args: string[], options: StartOptions = {}): SpawnSyncReturns<string> {
  const { script = join(tree, "wrenn"), cwd = tree, uid, env = {} } = options;
  return spawnSync(script, args, {
    cwd,
    encoding: "utf8",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...env },
    ...(uid !== undefined && { uid, gid: uid }),
  });
}

/** Milliseconds of processor time that the script and what it starts take, as the shell's `times` says. */
function processorTime(args: string[]): number {
  const shell = 'start=$1; shift; "$start" "$@" >/dev/null && times';
  const { stdout } = spawnSync("sh", ["-c", shell, "sh", join(tree, "wrenn"), ...args], { encoding: "utf8" });
  const children = stdout.split("\n")[1] ?? "";
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)];
  assert.equal(parts.length, 2, stdout);
  return parts.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
    0,
  );
}

/** Marks the tree as installed, as the script itself does. */
function stamp(mode: "all" | "run"): void {
  const hash = createHash("sha256").update("{}\n").digest("hex");
  writeFileSync(join(tree, "node_modules/.wrenn-installed"), `${mode} ${hash}\n`);
}
