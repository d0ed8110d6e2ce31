// The disk of the data directory is full: nothing is lost, it is said what to do, and it goes on once there is space again.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { newSandboxId } from "@wrenn/core";
import { assertNothingLeft } from "../soak/litter.ts";
import { askWorkers, startWorkers } from "../soak/workers.ts";
import { type Agent, newAgent } from "./agent.ts";
import { machineOf } from "./scene.ts";
import { type SmallDisk, smallDisk } from "./small-disk.ts";

const CALL_MS = 180_000;
const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** `bytes` that stay free: none; then the record still fits, then the devices too, then a part of the memory. */
const LEFT = [0, 8 << 10, 64 << 10, 4 * MIB] as const;
/** All of them when asked for; else the first, and one that is drawn by lot and named. */
const LONG = process.env["WRENN_LONG"] === "1";
/** In the guest's memory: what it wrote on a full disk would be its own loss. */
const WORKERS = { count: 1, dir: "/dev/shm/soak" } as const;

let disk: SmallDisk;
let agent: Agent;
before(async () => {
  disk = await smallDisk(4 * GIB);
  agent = await newAgent({}, { parent: disk.path });
  await agent.start();
  for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
});
after(async () => {
  disk?.free();
  await agent?.[Symbol.asyncDispose]();
  await disk?.[Symbol.asyncDispose]();
});
afterEach(() => disk.free());

describe("a disk that is full", () => {
  it("during a pause, a fork and a snapshot: the sandbox goes on running", (t) =>
    withSandbox(async (sandboxId) => {
      const { rpc } = agent;
      let epoch = 1;
      const assertWhole = async (pages: number, what: string) => {
        const { epoch: now } = await askWorkers(rpc, sandboxId, { ...WORKERS, epoch: epoch + 1, pages });
        assert.equal(now, epoch++, `${what}: all of its memory is there`);
      };
      for (const leave of LONG ? LEFT : [LEFT[0], LEFT[randomInt(1, LEFT.length)] ?? 0])
        await t.test(`${leave >> 10} KiB left`, async () => {
          const before = savedFiles();
          await disk.fill(leave);
          const operations = {
            pause: () => rpc.pauseSandbox({ sandboxId }, { timeoutMs: CALL_MS }),
            fork: () => rpc.forkSandbox({ sandboxId, forkIds: [newSandboxId()] }, { timeoutMs: CALL_MS }),
            snapshot: () => rpc.createSnapshot({ sandboxId, name: "full" }, { timeoutMs: CALL_MS }),
          };
          for (const [name, operation] of Object.entries(operations)) {
            await assert.rejects(operation, saysNoSpace, name);
            assert.equal(await statusOf(sandboxId), "running", name);
            await assertWhole(4096, name);
            assert.deepEqual(savedFiles(), before, `${name}: nothing partial is left`);
          }
          disk.free();
        });
      await rpc.pauseSandbox({ sandboxId }, { timeoutMs: CALL_MS });
      assert.equal(await statusOf(sandboxId), "paused");
      await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, { timeoutMs: CALL_MS });
      await assertWhole(0, "once there is room again");
    }));

  // Not even its record can be written; then that can, and its memory cannot.
  for (const leave of [0, 256 << 10]) {
    it(`when the host agent is told to end (${leave >> 10} KiB left): no sandbox is lost`, () =>
      withSandbox(async (sandboxId) => {
        await sh(sandboxId, "echo kept > /home/user/file; sync");
        await disk.fill(leave);
        await agent.stop("SIGTERM");
        disk.free();
        await agent.start();
        // One that runs was taken over; the other has its disk.
        const status = await statusOf(sandboxId);
        assert.ok(status === "running" || status === "stopped", status);
        const cold = { sandboxId, timeoutSec: 0, start: "cold" };
        if (status === "stopped") await agent.rpc.resumeSandbox(cold, { timeoutMs: CALL_MS });
        assert.equal(await sh(sandboxId, "cat /home/user/file"), "kept");
      }));
  }

  it("when a machine dies: it is stopped, which is told, and boots from its disk", () =>
    withSandbox(async (sandboxId) => {
      const { rpc } = agent;
      await sh(sandboxId, "echo kept > /home/user/file; sync");
      await disk.fill(0);
      process.kill(machineOf(agent, { id: sandboxId }), "SIGKILL");
      const deadline = Date.now() + 30_000;
      while ((await statusOf(sandboxId)) !== "stopped")
        assert.ok(Date.now() < deadline, `it is still ${await statusOf(sandboxId)}`);
      const { reports } = await rpc.listReports({});
      const told = reports.filter((report) => report.sandboxId === sandboxId);
      assert.deepEqual(
        told.map(({ status }) => status),
        ["stopped"],
      );
      disk.free();
      await rpc.resumeSandbox({ sandboxId, timeoutSec: 0, start: "cold" }, { timeoutMs: CALL_MS });
      assert.equal(await sh(sandboxId, "cat /home/user/file"), "kept");
    }));

  it("while a sandbox writes: its owner is told once, and the sandbox goes on running", () =>
    withSandbox(async (sandboxId) => {
      const { rpc } = agent;
      const full = "dd if=/dev/urandom of=/home/user/big bs=1M count=48 conv=fsync 2>&1; echo status $?";
      await disk.fill(4 * MIB);
      for (let time = 0; time < 2; time++)
        assert.match(await sh(sandboxId, full), /status [1-9]/, "the guest is told that its write failed");
      assert.match(agent.log(), /the host's disk is full: writes of the guest fail/);
      assert.equal(await statusOf(sandboxId), "running");
      assert.equal(await sh(sandboxId, "echo still here"), "still here");
      const { epoch } = await askWorkers(rpc, sandboxId, { ...WORKERS, epoch: 2, pages: 0 });
      assert.equal(epoch, 1);
      const told = (await rpc.listReports({})).reports.filter((report) => report.sandboxId === sandboxId);
      assert.deepEqual(
        told.map(({ status, event }) => [status, event]),
        [["running", "disk_full"]],
        "once, whatever else has failed; and it has not ended",
      );
      assert.match(told[0]?.reason ?? "", /the host's disk is full: writes of the guest fail/);
    }));

  it("keeps new sandboxes from starting, says so, and leaves nothing of them", async () => {
    await disk.fill(0);
    const sandboxId = newSandboxId();
    await assert.rejects(create(sandboxId), saysNoSpace);
    assert.equal(await statusOf(sandboxId), undefined);
    disk.free();
    await assertNothingLeft(agent);
  });
});

async function withSandbox(work: (id: string) => Promise<void>): Promise<void> {
  const sandboxId = newSandboxId();
  await create(sandboxId);
  try {
    await startWorkers(agent.rpc, sandboxId, { ...WORKERS, seed: 1 });
    await askWorkers(agent.rpc, sandboxId, { ...WORKERS, epoch: 1, pages: 4096 });
    await work(sandboxId);
  } catch (reason) {
    throw new Error(`${reason}\n${agent.log()}`, { cause: reason });
  } finally {
    disk.free();
    await agent.rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS });
  }
  await assertNothingLeft(agent);
}

async function create(sandboxId: string): Promise<void> {
  const request = { sandboxId, template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0, start: "clone" };
  await agent.rpc.createSandbox(request, { timeoutMs: CALL_MS });
}

/** `no_space`, and what to do about it. */
function saysNoSpace(error: unknown): boolean {
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(error.metadata.get("wrenn-code"), "no_space", error.message);
  assert.match(error.message, /disk is full; delete snapshots or sandboxes/);
  return true;
}

/** What pauses, forks and snapshots leave in the data directory. */
function savedFiles(): string[] {
  return [
    ...readdirSync(join(agent.dataDir, "snapshots")),
    ...readdirSync(join(agent.dataDir, "templates")),
    ...readdirSync(join(agent.dataDir, "sandboxes")),
  ].sort();
}

async function statusOf(id: string): Promise<string | undefined> {
  const { sandboxes } = await agent.rpc.listSandboxes({}, { timeoutMs: CALL_MS });
  return sandboxes.find(({ sandboxId }) => sandboxId === id)?.status;
}

async function sh(sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 60 };
  const { exitCode, stdout } = await agent.rpc.exec(request, { timeoutMs: CALL_MS });
  assert.equal(exitCode, 0);
  return Buffer.from(stdout).toString().trim();
}
