// `up` and `down` for real, with PostgreSQL and with stand-ins for the two daemons. Needs root.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  claimBlock,
  findBlockHolder,
  isAlive,
  kill,
  type ProcessIdentity,
  planBlock,
  processesOfUids,
  processIdentity,
  releaseBlock,
  until,
  waitForExit,
} from "@wrenn/linux";
import pg from "pg";
import { agentCodeCache, bundleDirectory, controlPlaneCodeCache } from "./code-cache.ts";
import { down } from "./down.ts";
import { type Instance, readInstance } from "./instance.ts";
import { dataLayout, runtimeLayout } from "./layout.ts";
import { lineProgress } from "./progress.ts";
import { statusOf } from "./status.ts";

const silent = lineProgress(() => {});
let directory: string;
let sourceRoot: string;
let dataDir: string;
let supervisor: Started | undefined;
let said = "";

before(async () => {
  // 0700 and owned by root, above both the sources and the data.
  directory = await mkdtemp(join(tmpdir(), "wrenn-up-"));
  sourceRoot = join(directory, "source");
  dataDir = join(directory, "data");
  for (const daemon of ["host-agent", "control-plane"]) {
    await mkdir(join(sourceRoot, "packages", daemon, "src"), { recursive: true });
    await cp(
      join(import.meta.dirname, `testing/stub-${daemon}.ts`),
      join(sourceRoot, "packages", daemon, "src/main.ts"),
    );
  }
});

afterEach(async () => {
  supervisor?.child.kill("SIGKILL");
  supervisor = undefined;
  await down(dataDir, silent);
});

after(async () => {
  await rm(directory, { recursive: true, force: true });
});

test("brings everything up as the right users, and takes it down without a trace", async () => {
  const instance = await upWithStubs();
  const health = await fetch(`${instance.url}/health`).then((answer) => answer.json());
  const uid = 1_900_000_000 + instance.block * 1024;
  assert.deepEqual(health, { uid: String(uid), capabilities: "0000000000000000" });
  assert.equal((await stat(join(dataDir, "api-key"))).mode & 0o777, 0o600);
  assert.match(await readFile(join(dataDir, "api-key"), "utf8"), /^wrn_[0-9a-f]{64}\n$/);
  assert.equal((await statusOf(dataDir)).state, "running");
  assert.match(await readFile(join(dataDir, "log/host-agent.log"), "utf8"), /WRENN_DNS/);

  await stopWith("SIGTERM");
  assert.equal((await statusOf(dataDir)).state, "stopped");
  await assertNothingLeft(instance.block);
  assert.match(await readFile(join(dataDir, "log/host-agent.log"), "utf8"), /"stopping"/);
  // Who can write compiled sources decides what runs.
  for (const [dir, owner] of [
    [agentCodeCache(`${dataDir}-cache`), 0],
    [controlPlaneCodeCache(`${dataDir}-cache`, uid), uid],
  ] as const) {
    const { mode, uid: of } = await stat(dir);
    assert.deepEqual([mode & 0o777, of], [0o700, owner], dir);
  }
  const bundles = bundleDirectory(`${dataDir}-cache`);
  for (const path of [bundles, ...(await readdir(bundles)).map((name) => join(bundles, name))]) {
    const { mode, uid: of } = await stat(path);
    assert.deepEqual([mode & 0o022, of], [0, 0], path);
  }
  assert.equal((await readdir(bundles)).filter((name) => name.endsWith(".mjs")).length, 2);
});

test("the database keeps its content and takes the control plane's password only", async () => {
  const first = await upWithStubs();
  const client = await connectAsControlPlane(first.block);
  await client.query("CREATE TABLE kept AS SELECT 42 AS answer");
  await client.end();
  const impostor = new pg.Client({ ...roleOf(first.block), password: "guess" });
  await assert.rejects(impostor.connect(), /password authentication failed/);
  await stopWith("SIGINT");

  const second = await upWithStubs();
  const again = await connectAsControlPlane(second.block);
  assert.deepEqual((await again.query("SELECT answer FROM kept")).rows, [{ answer: 42 }]);
  await again.end();
});

test("a second up on the same directory names the first and changes nothing", async () => {
  const instance = await upWithStubs();
  const second = start(dataDir);
  assert.equal(await second.status, 1);
  assert.match(second.output(), new RegExp(`running \\(process ${instance.pid}\\)`));
  assert.equal((await statusOf(dataDir)).state, "running");
});

test("a port in use is said before anything is started", async () => {
  const instance = await upWithStubs();
  const other = join(directory, "other");
  const second = start(other, new URL(instance.url).host);
  assert.equal(await second.status, 1);
  assert.match(second.output(), /another process listens on 127\.0\.0\.1:\d+/);
  assert.deepEqual((await readdir(other)).sort(), ["log"]);
  await rm(other, { recursive: true });
});

test("two instances at once do not disturb each other", async () => {
  const first = await upWithStubs();
  const other = join(directory, "other");
  const second = start(other);
  await until(async () => (await statusOf(other)).state === "running", { timeoutMs: 60_000 });
  const instance = await readInstance(dataLayout(other).instance);
  assert.ok(instance);
  assert.notEqual(instance.block, first.block);
  await down(other, silent);
  assert.equal(await second.status, 0);
  assert.equal((await statusOf(dataDir)).state, "running");
  await rm(other, { recursive: true });
});

test("a daemon that dies is started again", async () => {
  const instance = await upWithStubs();
  const uid = 1_900_000_000 + instance.block * 1024;
  const [daemon] = processesOfUids({ first: uid, last: uid });
  assert.ok(daemon);
  kill(daemon, "SIGKILL");
  assert.ok(await waitForExit(daemon, 5_000));
  assert.ok(await until(async () => (await statusOf(dataDir)).state === "running", { timeoutMs: 20_000 }));
  const [next] = processesOfUids({ first: uid, last: uid });
  assert.ok(next && next.pid !== daemon.pid);
  assert.match(said, /control plane .*; starting it again in 100 ms/);
});

test("after SIGKILL of the supervisor, down leaves nothing and up works again", async () => {
  const first = await upWithStubs();
  await killSupervisor();
  assert.equal((await statusOf(dataDir)).state, "stopped");
  await down(dataDir, silent);
  await assertNothingLeft(first.block);

  const second = await upWithStubs();
  await killSupervisor();
  const third = await upWithStubs();
  assert.equal(third.block, second.block);
  assert.equal((await statusOf(dataDir)).state, "running");
});

test("a terminal that closes cuts off nothing, however often it says so", async () => {
  const { block } = await upWithStubs({ WRENN_STUB_STOP_MS: "1500" });
  const machine = startMachine(block);
  const { child, status } = running();
  for (let i = 0; i < 3; i++) {
    child.kill("SIGHUP");
    await delay(20);
  }
  await delay(1_100);
  child.kill("SIGHUP");
  assert.equal(await status, 0, said);
  assert.doesNotMatch(said, /left running|still run/);
  const log = await readFile(join(dataDir, "log/host-agent.log"), "utf8");
  assert.match(log.trim().split("\n").at(-1) ?? "", /"stopped"/);
  // A host agent that ended in order has paused what it had.
  assert.equal(isAlive(machine), false);
  await assertNothingLeft(block);
});

test("a stop that is hurried leaves the machines to the next up, and down ends them", async () => {
  const { block } = await upWithStubs({ WRENN_STUB_STOP_MS: "60000" });
  const machine = startMachine(block);
  const { child, status } = running();
  child.kill("SIGTERM");
  await delay(1_100);
  child.kill("SIGTERM");
  assert.equal(await status, 0, said);
  assert.match(said, /sandboxes that are not paused yet are left running/);
  assert.match(said, /some sandboxes still run: `wrenn up` takes them over/);
  assert.equal(isAlive(machine), true);
  // Whoever claims a block sweeps it.
  const other = join(directory, "other");
  await mkdir(other);
  const claim = await claimBlock({ dataDir: other });
  await releaseBlock(claim);
  await rm(other, { recursive: true });
  assert.notEqual(claim.block, block);
  assert.equal((await upWithStubs()).block, block);
  assert.equal(isAlive(machine), true);
  await killSupervisor();
  await down(dataDir, silent);
  assert.equal(isAlive(machine), false);
  await assertNothingLeft(block);
});

test("down on a directory where nothing runs succeeds", async () => {
  await down(dataDir, silent);
  await down(join(directory, "never"), silent);
  await assert.rejects(stat(join(directory, "never")), { code: "ENOENT" });
});

interface Started {
  child: ChildProcess;
  /** Its exit status, when it has ended. */
  status: Promise<number | null>;
  output: () => string;
}

function start(data: string, listen = "127.0.0.1:0", settings: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "testing/up-with-stubs.ts"), sourceRoot, data, listen],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...settings } },
  );
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk;
    said += chunk;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const { promise: status, resolve } = Promise.withResolvers<number | null>();
  child.once("close", resolve);
  return { child, status, output: () => output };
}

/** Starts the instance of this test and waits for the line that says that it is ready. */
async function upWithStubs(settings: NodeJS.ProcessEnv = {}): Promise<Instance> {
  said = "";
  supervisor = start(dataDir, "127.0.0.1:0", settings);
  const { child, output } = supervisor;
  const isReady = (): boolean => output().includes("is ready") || child.exitCode !== null;
  await until(isReady, { timeoutMs: 60_000 });
  const instance = await readInstance(dataLayout(dataDir).instance);
  assert.ok(instance, output());
  return instance;
}

function running(): Started {
  assert.ok(supervisor);
  return supervisor;
}

/** What a sandbox's machine is to a supervisor: a process of one of the block's users. */
function startMachine(block: number): ProcessIdentity {
  const uid = planBlock(block).vmmUids.first;
  const { pid = 0 } = spawn("sleep", ["600"], { uid, gid: uid, stdio: "ignore" });
  const machine = processIdentity(pid);
  assert.ok(machine);
  return machine;
}

async function stopWith(signal: NodeJS.Signals): Promise<void> {
  const { child, status } = running();
  child.kill(signal);
  assert.equal(await status, 0, said);
  supervisor = undefined;
}

async function killSupervisor(): Promise<void> {
  const holder = findBlockHolder(dataDir);
  assert.ok(holder);
  supervisor?.child.kill("SIGKILL");
  await waitForExit(holder, 5_000);
  assert.equal(isAlive(holder), false);
}

/** No process of the block's users or in the database's directory, no directory under /run, no claim. */
async function assertNothingLeft(block: number): Promise<void> {
  const uid = 1_900_000_000 + block * 1024;
  assert.deepEqual(processesOfUids({ first: uid, last: uid + 1023 }), []);
  assert.equal(findBlockHolder(dataDir), undefined);
  await assert.rejects(stat(runtimeLayout(block).dir), { code: "ENOENT" });
  await assert.rejects(stat(`/run/wrenn/blocks/${block}`), { code: "ENOENT" });
  await assert.rejects(stat(join(dataDir, "postgres/postmaster.pid")), { code: "ENOENT" });
}

function roleOf(block: number) {
  return { host: runtimeLayout(block).databaseSocket, user: "wrenn", database: "wrenn" };
}

async function connectAsControlPlane(block: number): Promise<pg.Client> {
  const password = (await readFile(join(dataDir, "postgres-password"), "utf8")).trim();
  const client = new pg.Client({ ...roleOf(block), password });
  await client.connect();
  return client;
}
