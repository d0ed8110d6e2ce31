// One death after the other, and after each of them: nothing is lost, and nothing is left that nobody needs.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "./agent.ts";
import {
  act,
  allowedAfter,
  assertDiskLeft,
  assertGenerationLeft,
  assertGoesOn,
  assertWhole,
  clear,
  type Operation,
  type Scene,
  sh,
  stage,
  statusOf,
  tidy,
} from "./scene.ts";

const LONG = process.env["WRENN_LONG"] === "1";
/**
 * A boot is dear: of the machines that have a generation to fall back on, one of so many is booted from its disk; and of
 * the creates whose machine dies, one falls back on a boot where not all are asked for.
 */
const BOOT_EACH = LONG ? 2 : 4;
const SETTLED_MS = 30_000;

export class Deaths {
  readonly #agent: Agent;
  /** The one that goes on; undefined when the next death needs a new one. */
  #scene: Scene | undefined;
  #stopped = 0;
  #creates = 0;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** The scene, ready for an operation. */
  async ready(operation: Operation): Promise<Scene> {
    const former = this.#scene;
    // Whatever fails from here on, the next one is not built on it.
    this.#scene = undefined;
    try {
      this.#scene = await stage(this.#agent, operation, former);
    } catch (reason) {
      if (former) await clear(this.#agent, former).catch(() => undefined);
      throw reason;
    }
    return this.#scene;
  }

  /** The operation dies with the agent, as `arm` has arranged it. */
  async ofAgent(operation: Operation, arm: (scene: Scene) => void): Promise<void> {
    const scene = await this.ready(operation);
    arm(scene);
    await assert.rejects(act(this.#agent, operation, scene));
    assert.equal(await this.#agent.ended(), "SIGKILL");
    await this.comeBack(operation);
  }

  /**
   * Starts the next agent: it has everything. A sandbox that was to be deleted may be gone, and one is stopped whose
   * machine is `lost`.
   */
  async comeBack(
    operation: Operation,
    { isDeleted = operation === "destroy", isLost = false } = {},
  ): Promise<void> {
    const agent = this.#agent;
    await this.#goOn(async (scene) => {
      await agent.start();
      const status = await statusOf(agent, scene.id);
      if (isDeleted && status === undefined) return false;
      assert.equal(status === "stopped", isLost, `it is ${status}`);
      const goesOn = await this.#assertLeft(operation, scene, { status, isDone: true });
      if (goesOn) await this.#assertOther(operation, scene, false);
      return goesOn;
    });
  }

  /**
   * A machine dies in the operation, as `arm` has arranged it. `expected`: what its sandbox has to be then. `settled` is
   * called once nothing is under way any more.
   */
  async ofMachine(
    operation: Operation,
    expected: "stopped" | "paused" | undefined,
    arm: (scene: Scene) => void,
    settled: () => void = () => {},
  ): Promise<void> {
    const agent = this.#agent;
    const ready = await this.ready(operation);
    if (!LONG && operation === "create" && this.#creates++ > 0) ready.start = "clone";
    arm(ready);
    await this.#goOn(async (scene) => {
      const isDone = await act(agent, operation, scene).then(
        () => true,
        () => false,
      );
      await this.#settled(scene.id);
      settled();
      for (const file of [agent.faultFile, agent.stepFile]) rmSync(file, { force: true });
      const status = await statusOf(agent, scene.id);
      if (expected !== undefined) assert.equal(status, expected);
      const goesOn = await this.#assertLeft(operation, scene, { status, isDone });
      if (goesOn) await this.#assertOther(operation, scene, true);
      return goesOn;
    });
  }

  /** Deletes the scene, if one goes on. */
  async clear(): Promise<void> {
    if (this.#scene) await clear(this.#agent, this.#scene);
  }

  /** Of a sandbox whose machine may have died. Returns whether the scene goes on with it. */
  async #assertLeft(
    operation: Operation,
    scene: Scene,
    { status, isDone }: { status: string | undefined; isDone: boolean },
  ): Promise<boolean> {
    const agent = this.#agent;
    const allowed = allowedAfter(operation, scene);
    if (status === undefined) {
      assert.equal(operation, "destroy");
      return false;
    }
    if (status !== "stopped") {
      await assertGoesOn(agent, scene, { operation, allowed });
      return true;
    }
    const { reports } = await agent.rpc.listReports({});
    assert.equal(reports.findLast(({ sandboxId }) => sandboxId === scene.id)?.status, "stopped");
    // A restore that was answered has replaced what was there, also when the machine ends right behind it.
    const newest = isDone ? allowed.slice(-1) : allowed;
    if (scene.saved.size === 0 || this.#stopped++ % BOOT_EACH === 0) {
      await assertDiskLeft(agent, scene, newest);
      return false;
    }
    // What runs on may have been saved on the way.
    if (operation !== "pause") for (const word of newest) scene.saved.add(word);
    await assertGenerationLeft(agent, scene);
    return true;
  }

  /** What an operation has made besides is whole, or it is not there; or its own machine was the one that died. */
  async #assertOther(operation: Operation, scene: Scene, mayBeStopped: boolean): Promise<void> {
    const status = await statusOf(this.#agent, scene.other);
    if (status === undefined || (mayBeStopped && status === "stopped")) return;
    if (operation === "fork") await assertWhole(this.#agent, scene.other, [scene.word]);
    else assert.equal(await sh(this.#agent.rpc, scene.other, "echo up"), "up\n");
  }

  /**
   * Looks at what has become of the scene. Afterwards nothing is there that nobody needs; the scene goes on if `look` says
   * so, and nothing is built on one that fails.
   */
  async #goOn(look: (scene: Scene) => Promise<boolean>): Promise<void> {
    const scene = this.#scene;
    assert.ok(scene);
    this.#scene = undefined;
    try {
      const goesOn = await look(scene);
      await (goesOn ? tidy(this.#agent, scene) : clear(this.#agent, scene));
      if (goesOn) this.#scene = scene;
    } catch (reason) {
      const message = `${reason}\n${this.#agent.log()}`;
      await clear(this.#agent, scene).catch(() => undefined);
      throw new Error(message, { cause: reason });
    }
  }

  /** Waits until the agent has noticed the death: no transition is under way any more. */
  async #settled(id: string): Promise<void> {
    const { rpc } = this.#agent;
    const deadline = Date.now() + SETTLED_MS;
    for (;;) {
      const status = await statusOf(this.#agent, id);
      if (status === undefined || status === "paused" || status === "stopped") return;
      if (status === "running") {
        const alive = await rpc
          .exec({ sandboxId: id, cmd: "true", timeoutSec: 5 }, { timeoutMs: 10_000 })
          .catch(() => undefined);
        if (alive) return;
      }
      assert.ok(Date.now() < deadline, `${id} is still ${status}`);
      await delay(20);
    }
  }
}
