// What is asked of a running instance while it stops, with stand-ins for the two daemons. Needs root.
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { claimBlock, isAlive, releaseBlock } from "@wrenn/linux";
import { down } from "./down.ts";
import {
  assertNothingLeft,
  dataDir,
  directory,
  killSupervisor,
  lastOfAgent,
  running,
  said,
  silent,
  startMachine,
  upWithStubs,
  useStubs,
} from "./testing/stub-instance.ts";

useStubs();

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
  assert.match(await lastOfAgent(), /"stopped"/);
  // A host agent that ended in order has paused what it had.
  assert.equal(isAlive(machine), false);
  await assertNothingLeft(block);
});

test("down waits for a stop that is under way", async () => {
  const { block } = await upWithStubs({ WRENN_STUB_STOP_MS: "3000" });
  running().child.kill("SIGINT");
  await delay(1_100);
  await down(dataDir, silent);
  assert.equal(await running().status, 0, said);
  assert.match(await lastOfAgent(), /"stopped"/);
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
