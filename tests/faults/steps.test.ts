// The host agent is killed ahead of every single thing that it does to the machine in a transition, and while it starts
// again: each file that it writes, names or removes, each process that it starts or ends. The steps are found by watching.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Chance } from "../soak/chance.ts";
import { type Agent, newAgent } from "./agent.ts";
import { Deaths } from "./deaths.ts";
import {
  act,
  clear,
  goOn,
  machineOf,
  OPERATIONS,
  type Operation,
  prepare,
  type Scene,
  stage,
} from "./scene.ts";
import { makeWish } from "./steps.ts";

/** All of them when asked for; else so many, drawn by lot. */
const LONG = process.env["WRENN_LONG"] === "1";
const DRAWN = Number(process.env["WRENN_STEPS"] ?? 4);
const SEED = Number(process.env["WRENN_SEED"] ?? randomInt(2 ** 31));
/** By hand: those whose title contains it. */
const ONLY = process.env["WRENN_STEP"];

/** What is done in the background comes when it likes: a step of it may not come in the operation again. */
const BACKGROUND = /\/slot\/|\/compact|\/storage\/|\/working-set|\/reaper|\/sampl|inventory\.ts/;

/** Whose death: the agent's in an operation, or in the start that follows its end (where it may find a machine dead), or the machine's. */
type Victim = "agent" | "starting agent" | "agent that finds a machine dead" | "machine";
interface Death {
  operation: Operation;
  victim: Victim;
  site: string;
}

/** Starts that are watched: with a sandbox on disk, with two that run, with one whose machine has gone. */
const START_AFTER: Partial<Record<Operation, Victim>> = {
  pause: "starting agent",
  create: "starting agent",
  snapshot: "agent that finds a machine dead",
};

describe(`death ahead of any step (seed ${SEED})`, () => {
  let agent: Agent;
  let deaths: Deaths;
  const all: Death[] = [];
  const noted = new Set<string>();

  /** What two operations have in common dies in the first of them. */
  function note(death: Death): void {
    const key = `${death.victim} ${death.site}`;
    if (noted.has(key)) return;
    noted.add(key);
    all.push(death);
  }

  before(async () => {
    agent = await newAgent({}, { watched: true });
    await watchAll().catch((reason: unknown) => {
      throw new Error(`${reason}\n${agent.log()}`, { cause: reason });
    });
    deaths = new Deaths(agent);
  });
  after(() => agent[Symbol.asyncDispose]());

  /** Finds all steps. */
  async function watchAll(): Promise<void> {
    await agent.start();
    await prepare(agent);
    let former: Scene | undefined;
    for (const operation of OPERATIONS) {
      const scene = await stage(agent, operation, former);
      former = undefined;
      const sites = await trace(agent, () => act(agent, operation, scene));
      for (const site of sites) {
        all.push({ operation, victim: "agent", site });
        // Where the machine of the scene runs when the operation begins.
        if (["pause", "fork", "snapshot"].includes(operation))
          all.push({ operation, victim: "machine", site });
      }
      const victim = START_AFTER[operation];
      if (victim !== undefined) {
        await end(agent, scene, victim);
        for (const site of await trace(agent, () => agent.start())) note({ operation, victim, site });
      }
      // One whose machine was to be found dead has nothing more to show.
      if (victim === "agent that finds a machine dead") await clear(agent, scene);
      else former = await goOn(agent, operation, scene);
    }
  }

  it("finds what every operation does to the machine", () => {
    for (const operation of OPERATIONS) {
      const sites = all.filter((death) => death.operation === operation && death.victim === "agent");
      assert.ok(sites.length >= 1, `${operation}: no step of its own`);
    }
    const publishing = ({ operation, site }: Death) =>
      operation === "pause" && /^rename<snapshot\/store\/draft/.test(site);
    assert.ok(all.some(publishing), "a pause gives its snapshot its name");
  });

  it("loses nothing and leaves nothing", async (t) => {
    const chance = new Chance(SEED);
    const titled = all.map((death) => ({ ...death, title: titleOf(death) }));
    const chosen =
      ONLY !== undefined
        ? titled.filter(({ title }) => title.includes(ONLY))
        : LONG
          ? titled
          : chance.draw(
              titled.filter(({ site }) => !BACKGROUND.test(site)),
              DRAWN,
            );
    let missed = 0;
    for (const death of chosen)
      await t.test(death.title, async (test) => {
        if (await die(death)) return;
        missed += 1;
        test.diagnostic("the step did not come this time");
      });
    t.diagnostic(`${chosen.length} deaths of ${all.length}; ${missed} did not come to pass`);
    assert.ok(missed * 4 <= chosen.length, `${missed} of ${chosen.length} steps did not come`);
  });

  /** Whether it came to pass. */
  async function die({ operation, victim, site }: Death): Promise<boolean> {
    const arm = (scene: Scene) => {
      const pid = victim === "machine" ? machineOf(agent, scene) : "self";
      makeWish(agent.stepFile, `kill ${pid} ${site}`);
    };
    let came = false;
    if (victim === "machine") {
      await deaths.ofMachine(operation, undefined, arm, () => {
        came = !existsSync(agent.stepFile);
      });
      return came;
    }
    const scene = await deaths.ready(operation);
    if (victim === "agent") {
      arm(scene);
      await act(agent, operation, scene).catch(() => undefined);
    } else {
      await act(agent, operation, scene);
      await end(agent, scene, victim);
      arm(scene);
      await agent.start().catch(() => undefined);
    }
    came = !existsSync(agent.stepFile);
    rmSync(agent.stepFile, { force: true });
    if (came) assert.equal(await agent.ended(), "SIGKILL");
    else await agent.stop("SIGKILL");
    await deaths.comeBack(operation, { isLost: victim === "agent that finds a machine dead" });
    return came;
  }
});

/** Ends the agent, and the machine of the scene where the next one is to find it dead. */
async function end(agent: Agent, scene: Scene, victim: Victim): Promise<void> {
  await agent.stop("SIGKILL");
  if (victim === "agent that finds a machine dead") process.kill(machineOf(agent, scene), "SIGKILL");
}

/** The steps of some work in the order in which each came first. */
async function trace(agent: Agent, work: () => Promise<unknown>): Promise<Set<string>> {
  makeWish(agent.stepFile, "trace");
  await work();
  rmSync(agent.stepFile);
  const sites = new Set(readFileSync(`${agent.stepFile}.trace`, "utf8").split("\n").filter(Boolean));
  rmSync(`${agent.stepFile}.trace`);
  return sites;
}

function titleOf({ operation, victim, site }: Death): string {
  return `${operation}: ${victim} killed ahead of ${site.replace("<", " in ").replaceAll("<", ", ")}`;
}
