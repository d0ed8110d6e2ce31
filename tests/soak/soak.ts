// Pause and resume over and over, under load, with forks, snapshots and restores, while the host agent is killed at random.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newSandboxId } from "@wrenn/core";
import type { Agent } from "../faults/agent.ts";
import { Chance } from "./chance.ts";
import { type Counts, noCounts } from "./counts.ts";
import { assertNothingLeft } from "./litter.ts";
import { askWorkers, LostError, startWorkers, type Testimony } from "./workers.ts";

const CALL_MS = 180_000;
const MEMORY_MB = 512;
/** How many named snapshots there are at most. */
const NAMES = 3;
/** Memory of all workers together, pages: at first, and in the end. */
const FIRST_PAGES = 1024;
const LAST_PAGES = 8192;

/** How often something happens in a cycle besides its pause and its resume. */
const OFTEN = { fork: 0.08, snapshot: 0.06, restore: 0.04, kill: 0.1 } as const;

export interface SoakOptions {
  agent: Agent;
  seed: number;
  cycles: number;
  vcpus: 1 | 2;
  /** Ends it after the step that is under way. */
  signal: AbortSignal;
  onCycle?: (soak: Soak) => void;
}

/** A moment that can be gone back to. */
interface Named {
  name: string;
  held: Pick<Testimony, "epoch" | "changes">;
}

export class Soak {
  readonly counts: Counts = noCounts();
  readonly #options: SoakOptions;
  #chance: Chance;
  /** What each operation took the last time, `ms`: a kill comes at any moment of it. */
  readonly #took = new Map<string, number>();
  readonly #named: Named[] = [];
  #id = newSandboxId();
  #epoch = 0;
  #held: Named["held"] = { epoch: 0, changes: [] };

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
  }

  /** Runs all cycles. Throws {@link LostError}, or what an operation failed with; the sandboxes stay as they are then. */
  async run(): Promise<void> {
    const { agent, seed, cycles, vcpus, signal } = this.#options;
    for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
    const request = { sandboxId: this.#id, template: "minimal", vcpus, memoryMb: MEMORY_MB, timeoutSec: 0 };
    await agent.rpc.createSandbox({ ...request, start: "clone" }, { timeoutMs: CALL_MS });
    await startWorkers(agent.rpc, this.#id, { count: vcpus, seed });
    this.#held.changes = Array.from({ length: vcpus }, () => 0);
    await this.#verify();
    while (this.counts.cycles < cycles && !signal.aborted) {
      await this.#cycle();
      this.counts.cycles++;
      this.#options.onCycle?.(this);
    }
    await this.#clear();
  }

  async #cycle(): Promise<void> {
    const { rpc } = this.#options.agent;
    // Of its own for each cycle: what happens does not hang on when the agent died in an earlier one.
    this.#chance = new Chance(this.#options.seed * 7919 + this.counts.cycles);
    const plan = planCycle(this.#chance);
    if (plan.fork) await this.#fork();
    if (plan.snapshot) await this.#snapshot();
    if (plan.end) await this.#endAgent();
    await this.#perform("pause", () => rpc.pauseSandbox({ sandboxId: this.#id }, { timeoutMs: CALL_MS }));
    this.#noteGeneration();
    if (plan.restore && this.#named.length > 0) await this.#restore();
    else await this.#ensureRunning();
    await this.#verify();
  }

  /** Copies it; the copies must hold what it holds. Now and then a copy takes its place. */
  async #fork(): Promise<void> {
    const { rpc } = this.#options.agent;
    const forkIds = this.#chance.happens(0.3) ? [newSandboxId(), newSandboxId()] : [newSandboxId()];
    const held = this.#held;
    await this.#perform("fork", () =>
      rpc.forkSandbox({ sandboxId: this.#id, forkIds }, { timeoutMs: CALL_MS }),
    );
    this.counts.forks++;
    await this.#verify();
    for (const id of forkIds) {
      const status = await this.#statusOf(id);
      // An agent that was killed may have begun it or not: none of it, or the whole.
      if (status === undefined) continue;
      if (this.#chance.happens(0.3)) {
        if (status === "running") await rpc.pauseSandbox({ sandboxId: id }, { timeoutMs: CALL_MS });
        await rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, { timeoutMs: CALL_MS });
      } else if (status === "paused")
        await rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, { timeoutMs: CALL_MS });
      await this.#verifyCopy(id, held);
      await rpc.destroySandbox({ sandboxId: id }, { timeoutMs: CALL_MS });
    }
  }

  /** Gives the present moment a name, in place of the oldest when there are many; now and then something is made of it. */
  async #snapshot(): Promise<void> {
    const { rpc } = this.#options.agent;
    const name = `soak-${this.#epoch}`;
    const held = this.#held;
    await this.#perform("snapshot", () =>
      rpc.createSnapshot({ sandboxId: this.#id, name }, { timeoutMs: CALL_MS }),
    );
    const { templates } = await rpc.listTemplates({}, { timeoutMs: CALL_MS });
    if (templates.some((template) => template.name === name)) this.#named.push({ name, held });
    this.counts.snapshots++;
    const oldest = this.#named.length > NAMES ? this.#named.shift() : undefined;
    if (oldest) await rpc.deleteSnapshot({ name: oldest.name }, { timeoutMs: CALL_MS });
    if (!this.#chance.happens(0.3) || this.#named.at(-1)?.name !== name) return;
    const id = newSandboxId();
    const shape = { vcpus: this.#options.vcpus, memoryMb: MEMORY_MB, timeoutSec: 0 };
    await rpc.createSandbox({ sandboxId: id, template: name, ...shape }, { timeoutMs: CALL_MS });
    this.counts.clones++;
    await this.#verifyCopy(id, held);
    await rpc.destroySandbox({ sandboxId: id }, { timeoutMs: CALL_MS });
  }

  async #restore(): Promise<void> {
    const { rpc } = this.#options.agent;
    const [first, ...rest] = this.#named;
    assert.ok(first);
    const { name, held } = this.#chance.pick([first, ...rest]);
    const before = this.#held;
    const certain = await this.#perform("restore", () =>
      rpc.restoreSandbox({ sandboxId: this.#id, snapshot: name }, { timeoutMs: CALL_MS }),
    );
    this.counts.restores++;
    await this.#verify(certain ? [held] : [held, before]);
  }

  /**
   * Carries an operation out, or begins it and kills the agent in the middle. Afterwards the sandbox is there, whatever
   * became of the operation; whether it was done for certain is returned.
   */
  async #perform(name: string, work: () => Promise<unknown>): Promise<boolean> {
    const kill = this.#chance.happens(OFTEN.kill / 2);
    const moment = this.#chance.next();
    const began = performance.now();
    if (!kill) {
      await work();
      this.#took.set(name, performance.now() - began);
      return true;
    }
    const outcome = work().then(
      () => "done" as const,
      (reason: unknown) => ({ reason }),
    );
    const early = await Promise.race([outcome, delay(moment * (this.#took.get(name) ?? 500))]);
    if (typeof early === "object") throw early.reason;
    if (early !== "done") this.counts.midway++;
    await this.#killAgent();
    await outcome;
    if (name !== "pause" && name !== "resume") await this.#ensureRunning();
    return early === "done";
  }

  /** The agent ends while it has nothing to do: killed, or told to, which pauses the sandbox. */
  async #endAgent(): Promise<void> {
    const { agent } = this.#options;
    if (this.#chance.happens(0.7)) await this.#killAgent();
    else {
      await agent.stop("SIGTERM");
      this.counts.stops++;
      await agent.start();
    }
    await this.#ensureRunning();
    await this.#verify();
  }

  async #killAgent(): Promise<void> {
    await this.#options.agent.stop("SIGKILL");
    this.counts.kills++;
    await this.#options.agent.start();
  }

  async #ensureRunning(): Promise<void> {
    const { rpc } = this.#options.agent;
    // A new agent goes on with nothing by itself: each round is one that was killed.
    for (;;) {
      const status = await this.#statusOf(this.#id);
      if (status === "running") return;
      if (status !== "paused") throw new LostError(`sandbox ${this.#id} is ${status ?? "gone"}`);
      await this.#perform("resume", () =>
        rpc.resumeSandbox({ sandboxId: this.#id, timeoutSec: 0 }, { timeoutMs: CALL_MS }),
      );
    }
  }

  /** Every byte is there, and the sandbox is at one of these moments or has gone on from it. */
  async #verify(legal: Named["held"][] = [this.#held]): Promise<void> {
    const now = await this.#ask(this.#id);
    assertWentOn(this.#id, now, legal);
    this.#held = { epoch: this.#epoch, changes: now.changes };
  }

  async #verifyCopy(id: string, held: Named["held"]): Promise<void> {
    assertWentOn(id, await this.#ask(id), [held]);
  }
  /** Asks the workers of a sandbox what they hold, and leaves a new number with them. */
  async #ask(id: string): Promise<Testimony> {
    const { agent, vcpus, cycles } = this.#options;
    const share = Math.min(1, this.counts.cycles / cycles);
    const pages = Math.round((FIRST_PAGES + (LAST_PAGES - FIRST_PAGES) * share) / vcpus);
    const now = await askWorkers(agent.rpc, id, { count: vcpus, epoch: ++this.#epoch, pages });
    this.counts.verifications++;
    this.counts.memoryBytes += now.memoryBytes;
    this.counts.fileBytes += now.fileBytes;
    return now;
  }

  async #statusOf(id: string): Promise<string | undefined> {
    const { sandboxes } = await this.#options.agent.rpc.listSandboxes({}, { timeoutMs: CALL_MS });
    return sandboxes.find(({ sandboxId }) => sandboxId === id)?.status;
  }

  #noteGeneration(): void {
    const { dataDir } = this.#options.agent;
    const json = (...path: string[]) => JSON.parse(readFileSync(join(dataDir, ...path), "utf8"));
    const { snapshot } = json("sandboxes", this.#id, "sandbox.json") as { snapshot: string | null };
    if (snapshot === null) return;
    const { generation } = json("snapshots", snapshot, "manifest.json") as { generation: number };
    this.counts.generation = Math.max(this.counts.generation, generation);
  }

  /** Everything is deleted, and nothing of it is left. */
  async #clear(): Promise<void> {
    const { agent } = this.#options;
    for (const { name } of this.#named.splice(0))
      await agent.rpc.deleteSnapshot({ name }, { timeoutMs: CALL_MS });
    await agent.rpc.destroySandbox({ sandboxId: this.#id }, { timeoutMs: CALL_MS });
    await assertNothingLeft(agent);
  }
}

/** What happens in a cycle besides its pause and its resume. */
function planCycle(chance: Chance): Record<"fork" | "snapshot" | "end" | "restore", boolean> {
  return {
    fork: chance.happens(OFTEN.fork),
    snapshot: chance.happens(OFTEN.snapshot),
    end: chance.happens(OFTEN.kill / 2),
    restore: chance.happens(OFTEN.restore),
  };
}

function assertWentOn(id: string, now: Testimony, legal: readonly Named["held"][]): void {
  const from = legal.find(({ epoch }) => epoch === now.epoch);
  const moments = legal.map(({ epoch }) => epoch).join(" or ");
  if (!from) throw new LostError(`sandbox ${id} is of moment ${now.epoch} instead of ${moments}`);
  if (now.changes.some((count, worker) => count < (from.changes[worker] ?? 0)))
    throw new LostError(`sandbox ${id} has made ${now.changes} changes, and ${from.changes} before`);
}
