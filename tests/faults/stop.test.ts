// A host agent that is told to end: everything that runs goes to disk in time, or ends where that is asked for.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { assertNothingLeft } from "../soak/litter.ts";
import { type Agent, newAgent } from "./agent.ts";

const CALL_MS = 180_000;
const LONG = process.env["WRENN_LONG"] === "1";
const COUNT = LONG ? 8 : 3;
/** What each has written that no page of the template has. */
const DIRTY_MIB = LONG ? 128 : 16;
/** What the supervisor and systemd leave it. */
const STOP_MS = 30_000;
const DIRTY = `head -c ${DIRTY_MIB}M /dev/urandom > /dev/shm/dirty; cksum /dev/shm/dirty`;

describe("SIGTERM to a host agent", () => {
  it(`pauses ${COUNT} sandboxes that have written memory, all within ${STOP_MS / 1000} s`, async () => {
    await using agent = await ready();
    const ids = await create(agent);
    const sums = await Promise.all(ids.map((id) => sh(agent, id, DIRTY)));
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
    for (const [index, sandboxId] of ids.entries()) {
      await agent.rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, { timeoutMs: CALL_MS });
      assert.equal(await sh(agent, sandboxId, "cksum /dev/shm/dirty"), sums[index]);
      await agent.rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS });
    }
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

async function ready(env: Record<string, string> = {}): Promise<Agent> {
  const agent = await newAgent(env);
  await agent.start();
  for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  return agent;
}

async function create(agent: Agent): Promise<string[]> {
  const ids = Array.from({ length: COUNT }, () => newSandboxId());
  const size = { template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0, start: "clone" };
  await Promise.all(
    ids.map((sandboxId) => agent.rpc.createSandbox({ sandboxId, ...size }, { timeoutMs: CALL_MS })),
  );
  return ids.sort();
}

async function sh(agent: Agent, sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 120 };
  const { exitCode, stdout } = await agent.rpc.exec(request, { timeoutMs: CALL_MS });
  assert.equal(exitCode, 0);
  return Buffer.from(stdout).toString().trim();
}
