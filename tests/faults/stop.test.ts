// A host agent that ends: told to, everything that runs goes to disk in time, or ends where that is asked for; and what the
// next one cannot take over.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { ENVD_PORT } from "@wrenn/envd";
import { planBlock, processesOfUids } from "@wrenn/linux";
import { assertNothingBut, assertNothingLeft } from "../soak/litter.ts";
import { type Agent, newAgent } from "./agent.ts";

const CALL_MS = 180_000;
const LONG = process.env["WRENN_LONG"] === "1";
const COUNT = LONG ? 8 : 3;
/** What each has written that no page of the template has. */
const DIRTY_MIB = LONG ? 128 : 16;
/** Slots are made two at a time, and may come in another order. */
const MAX_STRANGERS = 4;
/** What the supervisor and systemd leave it. */
const STOP_MS = 30_000;
const DIRTY = `head -c ${DIRTY_MIB}M /dev/urandom > /dev/shm/dirty; cksum /dev/shm/dirty`;

describe("SIGTERM to a host agent", () => {
  it(`pauses ${COUNT} sandboxes that have written memory, all within ${STOP_MS / 1000} s`, async () => {
    await using agent = await ready();
    const ids = await create(agent);
    const sums = await Promise.all(ids.map((id) => sh(agent, id, DIRTY)));
    const addresses = await addressesOf(agent);
    const began = performance.now();
    await agent.stop("SIGTERM");
    const took = performance.now() - began;
    assert.ok(took < STOP_MS, `it took ${Math.round(took)} ms`);
    await agent.start();
    const { sandboxes } = await agent.rpc.listSandboxes({}, { timeoutMs: CALL_MS });
    assert.deepEqual(
      sandboxes.map(({ status }) => status),
      ids.map(() => "paused"),
    );
    // A new agent gives its slots out from the first ones on: soon somebody else has that of one of these.
    const former = new Set(addresses.values());
    const strangers: string[] = [];
    let taken: string | undefined;
    while (taken === undefined || !former.has(taken)) {
      assert.ok(strangers.length < MAX_STRANGERS, `${strangers.length} have none of ${[...former]}`);
      const [stranger = ""] = await create(agent, 1);
      strangers.push(stranger);
      taken = (await addressesOf(agent)).get(stranger);
    }
    for (const [index, sandboxId] of ids.entries()) {
      const request = { sandboxId, timeoutSec: 0 };
      const { hostIp } = await agent.rpc.resumeSandbox(request, { timeoutMs: CALL_MS });
      assert.notEqual(hostIp, taken);
      assert.equal(
        await sh(agent, sandboxId, "cksum /dev/shm/dirty; hostname"),
        `${sums[index]}\n${sandboxId}`,
      );
      // Its agent has listened since before the pause.
      assert.equal((await fetch(`http://${hostIp}:${ENVD_PORT}/health`)).status, 204);
    }
    for (const stranger of strangers) assert.equal(await sh(agent, stranger, "hostname"), stranger);
    for (const sandboxId of [...strangers, ...ids])
      await agent.rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS });
    await assertNothingLeft(agent);
  });

  it("ends them where WRENN_ON_STOP says destroy, and leaves nothing", async () => {
    await using agent = await ready({ WRENN_ON_STOP: "destroy" });
    await create(agent);
    await agent.stop("SIGTERM");
    await agent.start();
    const { sandboxes } = await agent.rpc.listSandboxes({}, { timeoutMs: CALL_MS });
    assert.deepEqual(sandboxes, []);
    await assertNothingLeft(agent);
  });
});

describe("a machine that does not answer the next host agent", () => {
  it("is ended and reported; its disk is kept, and nothing of the machine is left", async () => {
    await using agent = await ready();
    const [sandboxId = ""] = await create(agent, 1);
    await agent.stop("SIGKILL");
    const machines = processesOfUids(planBlock(agent.block).vmmUids);
    assert.ok(machines.length > 0);
    for (const { pid } of machines) process.kill(pid, "SIGSTOP");
    await agent.start();
    const { sandboxes } = await agent.rpc.listSandboxes({}, { timeoutMs: CALL_MS });
    assert.deepEqual(
      sandboxes.map(({ sandboxId: id, status }) => [id, status]),
      [[sandboxId, "stopped"]],
    );
    const { reports } = await agent.rpc.listReports({});
    assert.match(
      reports.findLast((report) => report.sandboxId === sandboxId)?.reason ?? "",
      /did not answer/,
    );
    await assertNothingBut(agent, [sandboxId]);
    await agent.rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS });
    await assertNothingLeft(agent);
  });
});

async function ready(env: Record<string, string> = {}): Promise<Agent> {
  const agent = await newAgent(env);
  await agent.start();
  for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  return agent;
}

async function create(agent: Agent, count = COUNT): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newSandboxId());
  const size = { template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0, start: "clone" };
  await Promise.all(
    ids.map((sandboxId) => agent.rpc.createSandbox({ sandboxId, ...size }, { timeoutMs: CALL_MS })),
  );
  return ids.sort();
}

/** Where the host reaches each sandbox. */
async function addressesOf({ rpc }: Agent): Promise<Map<string, string>> {
  const { sandboxes } = await rpc.listSandboxes({}, { timeoutMs: CALL_MS });
  return new Map(sandboxes.map(({ sandboxId, hostIp }) => [sandboxId, hostIp]));
}

async function sh(agent: Agent, sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 120 };
  const { exitCode, stdout } = await agent.rpc.exec(request, { timeoutMs: CALL_MS });
  assert.equal(exitCode, 0);
  return Buffer.from(stdout).toString().trim();
}
