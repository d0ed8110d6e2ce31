// `up` and `down` for real, with PostgreSQL and with stand-ins for the two daemons. Needs root.
import assert from "node:assert/strict";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { kill, processesOfUids, until, waitForExit } from "@wrenn/linux";
import pg from "pg";
import { agentCodeCache, bundleDirectory, controlPlaneCodeCache } from "./code-cache.ts";
import { down } from "./down.ts";
import { readInstance } from "./instance.ts";
import { dataLayout, runtimeLayout } from "./layout.ts";
import { statusOf } from "./status.ts";
import {
  assertNothingLeft,
  dataDir,
  directory,
  killSupervisor,
  said,
  silent,
  start,
  stopWith,
  upWithStubs,
  useStubs,
} from "./testing/stub-instance.ts";

useStubs();

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

test("down on a directory where nothing runs succeeds", async () => {
  await down(dataDir, silent);
  await down(join(directory, "never"), silent);
  await assert.rejects(stat(join(directory, "never")), { code: "ENOENT" });
});

function roleOf(block: number) {
  return { host: runtimeLayout(block).databaseSocket, user: "wrenn", database: "wrenn" };
}

async function connectAsControlPlane(block: number): Promise<pg.Client> {
  const password = (await readFile(join(dataDir, "postgres-password"), "utf8")).trim();
  const client = new pg.Client({ ...roleOf(block), password });
  await client.connect();
  return client;
}
