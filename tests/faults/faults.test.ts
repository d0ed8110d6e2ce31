// The host agent, or the virtual machine monitor, is killed at every step of every transition that has a name.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Chance } from "../soak/chance.ts";
import { type Agent, newAgent } from "./agent.ts";
import { Deaths } from "./deaths.ts";
import { allPoints, readTrace } from "./points.ts";
import { act, goOn, OPERATIONS, type Operation, prepare, type Scene, stage } from "./scene.ts";

/** Points that only a collection in the background passes: it has no caller, and may come in any later operation. */
const BACKGROUND = ["snapshot-going", "snapshot-stripping"];
/** A collection that has not come this long after its operation comes with what is deleted next, `ms`. */
const COLLECTION_MS = 10_000;

/** Every operation at every point when asked for; else every point of a pause, and of the others some that are drawn by lot. */
const LONG = process.env["WRENN_LONG"] === "1";
const DRAWN = 3;
const SEED = Number(process.env["WRENN_SEED"] ?? randomInt(2 ** 31));
/** By hand: one operation at one point, `restore resume.recorded`. */
const ONLY = process.env["WRENN_POINT"];

describe(`death at every step (seed ${SEED})`, () => {
  let agent: Agent;
  let deaths: Deaths;
  const passes = new Map<Operation, Map<string, boolean>>();

  before(async () => {
    agent = await newAgent();
    await agent.start();
    await prepare(agent);
    let former: Scene | undefined;
    for (const operation of OPERATIONS) {
      const scene = await stage(agent, operation, former);
      writeFileSync(agent.faultFile, "trace");
      await act(agent, operation, scene);
      rmSync(agent.faultFile);
      const points = readTrace(`${agent.faultFile}.trace`);
      for (const name of BACKGROUND) points.delete(name);
      passes.set(operation, points);
      rmSync(`${agent.faultFile}.trace`);
      former = await goOn(agent, operation, scene);
    }
    deaths = new Deaths(agent);
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
    for (const [operation, name] of chosen((points) => [...points.keys()])) {
      await t.test(`${operation}: agent killed at ${name}`, () =>
        deaths.ofAgent(operation, () => writeFileSync(agent.faultFile, `agent ${name}`)),
      );
    }
    await t.test("restore: agent killed at snapshot-going", async () => {
      const scene = await deaths.ready("restore");
      writeFileSync(agent.faultFile, "agent snapshot-going");
      const death = agent.ended();
      await act(agent, "restore", scene).catch(() => undefined);
      const died = await Promise.race([death, delay(COLLECTION_MS, undefined, { ref: false })]);
      // Its snapshot is collected with it at the latest: the answer may come before the death.
      if (died === undefined) await deaths.clear().catch(() => undefined);
      assert.equal(await death, "SIGKILL");
      await deaths.comeBack("restore", { isDeleted: died === undefined });
    });
  });

  it("of the machine ends that machine alone, or none when it is on disk", async (t) => {
    const withMachine = (points: Map<string, boolean>) =>
      [...points].filter(([, vmm]) => vmm).map(([name]) => name);
    // The last one is a restore that fails once its sandbox is on disk: it goes on where it was.
    for (const [operation, name] of chosen(withMachine, "restore life.machine")) {
      await t.test(`${operation}: machine killed at ${name}`, () =>
        deaths.ofMachine(operation, expected(operation, name), () =>
          writeFileSync(agent.faultFile, `vmm ${name}`),
        ),
      );
    }
  });

  function chosen(names: (points: Map<string, boolean>) => string[], always?: string): [Operation, string][] {
    const all = [...passes].flatMap(([operation, points]) =>
      names(points).map((name) => [operation, name] as [Operation, string]),
    );
    if (ONLY !== undefined) return all.filter((each) => each.join(" ") === ONLY);
    if (LONG) return all;
    const isFirst = ([, name]: [Operation, string], index: number) =>
      all.findIndex(([, other]) => other === name) === index;
    const first = all.filter(isFirst);
    const others = first.filter(([operation]) => operation !== "pause");
    return [
      ...first.filter(([operation]) => operation === "pause"),
      ...new Chance(SEED).draw(others, DRAWN),
      ...all.filter((each) => each.join(" ") === always),
    ];
  }

  /** A pause needs its machine until devices and memory are taken; its disk is complete when it stands still. */
  function expected(operation: Operation, name: string): "stopped" | "paused" | undefined {
    if (operation !== "pause") return undefined;
    const order = [...(passes.get("pause") ?? new Map()).keys()];
    const [at, memory] = [name, "capture.memory"].map((each) => order.indexOf(each)) as [number, number];
    assert.ok(memory > 0, order.join(", "));
    return at < memory ? "stopped" : "paused";
  }
});
