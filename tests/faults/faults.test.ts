// The host agent, or the virtual machine monitor, is killed at every step of every transition.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Agent, newAgent } from "./agent.ts";
import { allPoints, readTrace } from "./points.ts";
import {
  act,
  assertSalvaged,
  assertWhole,
  clear,
  OPERATIONS,
  type Operation,
  prepare,
  type Scene,
  stage,
  statusOf,
} from "./scene.ts";

/** Points that only a collection in the background passes: it has no caller, and may come in any later operation. */
const BACKGROUND = ["snapshot-going", "snapshot-stripping"];
/** A collection that has not come this long after its operation comes with what is deleted next, `ms`. */
const COLLECTION_MS = 10_000;

/** Every operation at every point when asked for; else every point once, in the first operation that passes it. */
const LONG = process.env["WRENN_LONG"] === "1";
/** By hand: one operation at one point, `restore resume.recorded`. */
const ONLY = process.env["WRENN_POINT"];

describe("death at every step", () => {
  let agent: Agent;
  let salvaged = 0;
  const passes = new Map<Operation, Map<string, boolean>>();

  before(async () => {
    agent = await newAgent();
    await agent.start();
    await prepare(agent);
    for (const operation of OPERATIONS) {
      const scene = await stage(agent, operation);
      writeFileSync(agent.faultFile, "trace");
      await act(agent, operation, scene);
      rmSync(agent.faultFile);
      const points = readTrace(`${agent.faultFile}.trace`);
      for (const name of BACKGROUND) points.delete(name);
      passes.set(operation, points);
      rmSync(`${agent.faultFile}.trace`);
      await clear(agent, scene);
    }
  });
  after(() => agent[Symbol.asyncDispose]());

  it("knows every point in the sources", () => {
    const seen = new Set([...passes.values()].flatMap((points) => [...points.keys()]));
    assert.deepEqual(
      [...allPoints()].filter((name) => !seen.has(name) && !BACKGROUND.includes(name)),
      [],
      "no operation passes these points: nothing tests them",
    );
  });

  it("of the agent loses nothing and leaves nothing", async (t) => {
    const collection: [Operation, string] = ["restore", "snapshot-going"];
    for (const [operation, name] of [...chosen((points) => [...points.keys()]), collection]) {
      await t.test(`${operation}: agent killed at ${name}`, async () => {
        const scene = await stage(agent, operation);
        writeFileSync(agent.faultFile, `agent ${name}`);
        const inBackground = BACKGROUND.includes(name);
        if (inBackground) await diesAfter(agent, operation, scene);
        else await assert.rejects(act(agent, operation, scene));
        assert.equal(await agent.ended(), "SIGKILL");
        await agent.start();
        if (operation === "destroy" || inBackground) {
          if ((await statusOf(agent, scene.id)) !== undefined)
            await assertWhole(agent, scene.id, scene.words);
        } else await assertWhole(agent, scene.id, scene.words);
        if (operation === "fork" && (await statusOf(agent, scene.other)) !== undefined) {
          await assertWhole(agent, scene.other, scene.words);
        }
        await clear(agent, scene);
      });
    }
  });

  it("of the machine ends that machine alone, or none when it is on disk", async (t) => {
    const withMachine = (points: Map<string, boolean>) =>
      [...points].filter(([, vmm]) => vmm).map(([name]) => name);
    for (const [operation, name] of chosen(withMachine)) {
      await t.test(`${operation}: machine killed at ${name}`, async () => {
        const scene = await stage(agent, operation);
        writeFileSync(agent.faultFile, `vmm ${name}`);
        const isDone = await act(agent, operation, scene).then(
          () => true,
          () => false,
        );
        await settled(agent, scene.id);
        const status = await statusOf(agent, scene.id);
        if (status === "stopped") {
          const { reports } = await agent.rpc.listReports({});
          assert.equal(reports.find(({ sandboxId }) => sandboxId === scene.id)?.status, "stopped");
          // Turn about: the newest disk, and the generation before as a whole.
          const cold = operation !== "pause" || salvaged++ % 2 === 0;
          // A restore that was answered has replaced what was there, also when the machine ends right behind it.
          const newest = operation === "restore" && isDone ? scene.words[0] : scene.words.at(-1);
          await assertSalvaged(agent, scene, { cold, newest });
        } else if (operation !== "destroy") await assertWhole(agent, scene.id, scene.words);
        rmSync(agent.faultFile, { force: true });
        await clear(agent, scene);
      });
    }
  });

  function chosen(names: (points: Map<string, boolean>) => string[]): [Operation, string][] {
    const all = [...passes].flatMap(([operation, points]) =>
      names(points).map((name) => [operation, name] as [Operation, string]),
    );
    if (ONLY !== undefined) return all.filter((each) => each.join(" ") === ONLY);
    if (LONG) return all;
    return all.filter(([, name], index) => all.findIndex(([, other]) => other === name) === index);
  }
});

/** A scene of which something is collected, with its snapshot at the latest: the answer may come before the death. */
async function diesAfter(agent: Agent, operation: Operation, scene: Scene): Promise<void> {
  const death = agent.ended();
  await act(agent, operation, scene).catch(() => undefined);
  const died = await Promise.race([death, delay(COLLECTION_MS, undefined, { ref: false })]);
  if (died === undefined) await clear(agent, scene).catch(() => undefined);
}

/** Waits until the agent has noticed the death: no transition is under way any more. */
async function settled(agent: Agent, id: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const status = await statusOf(agent, id);
    if (status === undefined || status === "paused" || status === "stopped") return;
    if (status === "running") {
      const alive = await agent.rpc
        .exec({ sandboxId: id, cmd: "true", timeoutSec: 5 }, { timeoutMs: 10_000 })
        .catch(() => undefined);
      if (alive) return;
    }
    assert.ok(Date.now() < deadline, `${id} is still ${status}`);
  }
}
