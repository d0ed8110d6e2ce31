// Pause, resume, fork, exec, destroy and the end of its time on one sandbox at the same time: whatever comes first, each
// caller gets an answer that is legal, and nothing is lost or left.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import { newSandboxId } from "@wrenn/core";
import { Chance } from "../soak/chance.ts";
import { assertNothingLeft } from "../soak/litter.ts";
import { askWorkers, startWorkers } from "../soak/workers.ts";
import { type Agent, newAgent } from "./agent.ts";

const CALL_MS = 180_000;
const OPTIONS = { timeoutMs: CALL_MS };
const SHAPE = { vcpus: 1, memoryMb: 512, timeoutSec: 0 } as const;
const TEMPLATE = "busy";
/** Within what time the operations of a round begin, ms: about what two of them take. */
const SPREAD_MS = 1500;

const ROUNDS = Number(process.env["WRENN_ROUNDS"] ?? 5);
const SEED = Number(process.env["WRENN_SEED"] ?? randomInt(2 ** 31));

const OPERATIONS = [
  "pause",
  "pause",
  "resume",
  "resume",
  "fork",
  "exec",
  "exec",
  "expire",
  "destroy",
] as const;
type Operation = (typeof OPERATIONS)[number];

/** What an operation may fail with when another one came first. */
const LEGAL: Readonly<Record<Operation, readonly string[]>> = {
  pause: ["invalid_state", "not_found"],
  resume: ["invalid_state", "not_found"],
  fork: ["invalid_state", "not_found"],
  // Its sandbox went away, or was paused, while it ran.
  exec: ["invalid_state", "not_found", "guest_unreachable", "unavailable"],
  expire: ["invalid_state", "not_found"],
  destroy: [],
};

let agent: Agent;
before(async () => {
  agent = await newAgent({ WRENN_REAP_INTERVAL_MS: "20" });
  await agent.start();
  const { rpc } = agent;
  for await (const _ of rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  const sandboxId = newSandboxId();
  await rpc.createSandbox({ sandboxId, template: "minimal", start: "clone", ...SHAPE }, OPTIONS);
  await startWorkers(rpc, sandboxId, { count: 1, seed: SEED });
  await askWorkers(rpc, sandboxId, { count: 1, epoch: 1, pages: 1024 });
  await rpc.createSnapshot({ sandboxId, name: TEMPLATE }, OPTIONS);
  await rpc.destroySandbox({ sandboxId }, OPTIONS);
});
after(() => agent[Symbol.asyncDispose]());

describe(`everything at once on one sandbox (seed ${SEED})`, () => {
  const chance = new Chance(SEED);
  for (let round = 1; round <= ROUNDS; round++) {
    const onTimeout = chance.pick(["pause", "destroy"]);
    // Idle for that long it ends by itself, besides what is asked of it; 0 = never.
    const idleSec = chance.pick([0, 1]);
    const plan = Array.from({ length: 7 }, () => ({
      operation: chance.pick(OPERATIONS),
      at: Math.round(chance.next() * SPREAD_MS),
    })).sort((a, b) => a.at - b.at);
    const title = plan.map(({ operation, at }) => `${operation} ${at}`).join(", ");
    const ends = idleSec > 0 ? `${onTimeout} when idle for ${idleSec} s` : `${onTimeout} in the end`;
    it(`round ${round}: ${title}; ${ends}`, async () => {
      try {
        await play(plan, { onTimeout, idleSec });
      } catch (reason) {
        const log = agent.log();
        const { sandboxes } = await agent.rpc.listSandboxes({}, OPTIONS);
        for (const { sandboxId } of sandboxes) await agent.rpc.destroySandbox({ sandboxId }, OPTIONS);
        throw new Error(`${reason}\n${log}`, { cause: reason });
      }
    });
  }
});

async function play(
  plan: { operation: Operation; at: number }[],
  { onTimeout, idleSec }: { onTimeout: string; idleSec: number },
): Promise<void> {
  const { rpc } = agent;
  const sandboxId = newSandboxId();
  const life = { template: TEMPLATE, onTimeout, ...SHAPE, timeoutSec: idleSec };
  await rpc.createSandbox({ sandboxId, ...life }, OPTIONS);
  const asked = new Set(plan.map(({ operation }) => operation));
  const expires = asked.has("expire") || idleSec > 0;
  const mayBeGone = asked.has("destroy") || (expires && onTimeout === "destroy");
  const copies: string[] = [];
  await Promise.all(
    plan.map(async ({ operation, at }) => {
      await delay(at);
      const copy = newSandboxId();
      try {
        await act(sandboxId, operation, copy);
        if (operation === "fork") copies.push(copy);
      } catch (error) {
        const code = error instanceof ConnectError ? error.metadata.get("wrenn-code") : null;
        assert.ok(code !== null && LEGAL[operation].includes(code), `${operation}: ${code}, ${error}`);
        assert.equal(await statusOf(copy), undefined, "a fork that failed has left a copy");
      }
    }),
  );
  for (const id of [sandboxId, ...copies]) {
    if (expires) await stopClock(id);
    const status = await statusOf(id);
    if (status === undefined) {
      const gone = id === sandboxId ? mayBeGone : expires && onTimeout === "destroy";
      assert.ok(gone, `${id} is gone and nothing has ended it`);
      continue;
    }
    assert.match(status, /^(running|paused)$/);
    if (status === "paused") await rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, OPTIONS);
    const { epoch } = await askWorkers(rpc, id, { count: 1, epoch: 2, pages: 0 });
    assert.equal(epoch, 1, "it has gone on from where it was");
    await rpc.destroySandbox({ sandboxId: id }, OPTIONS);
  }
  const { templates } = await rpc.listTemplates({}, OPTIONS);
  assert.ok(templates.some(({ name }) => name === TEMPLATE));
  await assertNothingLeft(agent);
}

async function act(sandboxId: string, operation: Operation, copy: string): Promise<void> {
  const { rpc } = agent;
  switch (operation) {
    case "pause":
      await rpc.pauseSandbox({ sandboxId }, OPTIONS);
      return;
    case "resume":
      await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, OPTIONS);
      return;
    case "fork":
      await rpc.forkSandbox({ sandboxId, forkIds: [copy] }, OPTIONS);
      return;
    case "exec": {
      const { stdout } = await rpc.exec({ sandboxId, cmd: "echo", args: [copy], timeoutSec: 30 }, OPTIONS);
      assert.equal(Buffer.from(stdout).toString(), `${copy}\n`);
      return;
    }
    case "expire":
      await rpc.setTimeout({ sandboxId, timeoutSec: 1 }, OPTIONS);
      return;
    case "destroy":
      await rpc.destroySandbox({ sandboxId }, OPTIONS);
  }
}

/** From here on its time does not end any more; it may have ended already. */
async function stopClock(sandboxId: string): Promise<void> {
  await agent.rpc.setTimeout({ sandboxId, timeoutSec: 0 }, OPTIONS).catch((error: unknown) => {
    const code = error instanceof ConnectError ? error.metadata.get("wrenn-code") : null;
    assert.ok(code === "invalid_state" || code === "not_found", String(error));
  });
}

async function statusOf(id: string): Promise<string | undefined> {
  const { sandboxes } = await agent.rpc.listSandboxes({}, OPTIONS);
  return sandboxes.find(({ sandboxId }) => sandboxId === id)?.status;
}
