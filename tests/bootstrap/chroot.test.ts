// The bootstrap on a Debian 12 that has neither node nor npm: a minbase system made for this test, with a
// clone of the committed repository. It downloads about 400 MB, so it runs on request:
// ./wrenn test bootstrap
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const repository = join(import.meta.dirname, "../..");
const run = promisify(execFile);
/** What a site's network may need in the clone's environment: proxies, registry, its own authority. */
const PASSED_ON = /^(npm_config_registry|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;
let system: string;

before(async () => {
  system = await mkdtemp(join(tmpdir(), "wrenn-bare-"));
  await run("mmdebstrap", ["--quiet", "--variant=minbase", "bookworm", join(system, "root")], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const home = join(system, "root/root/wrenn");
  await mkdir(join(system, "root/usr/local/share"), { recursive: true });
  for (const path of ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs", "usr/local/share/ca-certificates"]) {
    await cp(join("/", path), join(system, "root", path), {
      recursive: true,
      force: true,
      dereference: true,
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
  await run("git", ["clone", "--quiet", "--no-hardlinks", repository, home]);
});

after(async () => {
  await rm(system, { recursive: true, force: true });
});

test("a bare system has no node and no npm", async () => {
  const outcome = await inside(["sh", "-c", "command -v node || command -v npm || echo none"]);
  assert.equal(outcome.stdout.trim(), "none");
});

test("./wrenn --help installs what is missing, says so, and runs the CLI", async (t) => {
  const outcome = await inside(["./wrenn", "--help"]);
  t.diagnostic(`first ./wrenn --help: ${(outcome.milliseconds / 1000).toFixed(1)} s`);
  assert.equal(outcome.status, 0, outcome.stderr);
  assert.match(outcome.stderr, /installing Debian packages: .*qemu-system-x86/);
  assert.match(outcome.stderr, /installing npm packages/);
  assert.match(outcome.stdout, /wrenn/i);
});

test("./wrenn --version finds everything there, also through a symbolic link", async (t) => {
  const outcome = await inside([
    "sh",
    "-c",
    "ln -sf /root/wrenn/wrenn /usr/local/bin/wrenn && cd / && wrenn --version",
  ]);
  t.diagnostic(`then wrenn --version: ${outcome.milliseconds.toFixed(0)} ms`);
  assert.equal(outcome.status, 0, outcome.stderr);
  assert.equal(outcome.stderr, "");
  assert.match(outcome.stdout, /^\d+\.\d+\.\d+/);
});

test("no database cluster was made behind the platform's back", async () => {
  const outcome = await inside(["pg_lsclusters", "--no-header"]);
  assert.equal(outcome.status, 0, outcome.stderr);
  assert.equal(outcome.stdout, "");
});

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
  milliseconds: number;
}

/** Runs a command in the bare system, in namespaces that vanish with it. */
async function inside(command: string[]): Promise<Outcome> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && PASSED_ON.test(name)) env[name] = value;
  }
  const began = performance.now();
  const child = spawn(
    "bwrap",
    [
      ...["--bind", join(system, "root"), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"],
      ...["--unshare-pid", "--unshare-ipc", "--die-with-parent", "--cap-add", "ALL"],
      ...["--chdir", "/root/wrenn", "--", ...command],
    ],
    {
      env: {
        ...env,
        HOME: "/root",
        LC_ALL: "C",
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  return {
    status: await promise,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
    milliseconds: performance.now() - began,
  };
}
