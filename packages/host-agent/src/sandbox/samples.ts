// What sandboxes have used: a bounded history of each, sampled while it does something.
import { cpuTimeOf } from "@wrenn/linux";
import type { Logger } from "pino";
import type { GuestMetrics } from "../guest/metrics.ts";
import type { Running, Sandbox } from "./sandbox.ts";

export interface Sample extends GuestMetrics {
  /** Milliseconds since the epoch. */
  at: number;
}

/** Samples kept of one sandbox: an hour of work at the usual interval. */
export const MAX_SAMPLES = 360;
/** A guest that is busy answers late; one that does not answer is left out. */
const TIMEOUT_MS = 2_000;
/** Guests that are asked at one time. */
const AT_ONCE = 4;
/** Share of a processor below which a machine counts as idle: timers of a kernel and of an agent that wait. */
const IDLE_SHARE = 0.05;
/** A sample of that age still stands for now, `ms`. */
const FRESH_MS = 1_000;

interface History {
  samples: Sample[];
  /** When the guest was last looked at, and its machine's time on processors then, `ms`. */
  seen: { at: number; cpuMs: number } | undefined;
}

/** What is asked of a sandbox; a part of it, so that tests need no machine. */
export type Sampled = Pick<Sandbox, "id" | "status" | "activity"> & {
  running: Pick<Running, "machine" | "guest"> | undefined;
};

/**
 * An idle guest is not woken to tell that it is idle: that would cost every sandbox memory that it otherwise shares. So a
 * history has gaps, which mean that nothing was done.
 */
export class Samples {
  readonly #list: () => Sampled[];
  readonly #log: Logger;
  readonly #cpuTimeOf: typeof cpuTimeOf;
  readonly #histories = new Map<string, History>();
  readonly #asking = new Map<string, Promise<void>>();

  constructor(options: { list: () => Sampled[]; log: Logger; cpuTimeOf?: typeof cpuTimeOf }) {
    this.#list = options.list;
    this.#log = options.log;
    this.#cpuTimeOf = options.cpuTimeOf ?? cpuTimeOf;
  }

  /** One round: asks the guests that have done something since the last one, and forgets sandboxes that are gone. */
  async round(): Promise<void> {
    const sandboxes = this.#list();
    const ids = new Set(sandboxes.map(({ id }) => id));
    for (const id of this.#histories.keys()) if (!ids.has(id)) this.#histories.delete(id);
    const awake = sandboxes.filter((sandbox) => this.#isAwake(sandbox));
    const workers = Array.from({ length: AT_ONCE }, async () => {
      for (let next = awake.shift(); next; next = awake.shift()) await this.#sample(next);
    });
    await Promise.all(workers);
  }

  /** A sample of now, unless there is one or the guest does not answer. */
  async refresh(sandbox: Sampled): Promise<void> {
    const last = this.#histories.get(sandbox.id)?.samples.at(-1);
    if (sandbox.running && !(last && Date.now() - last.at < FRESH_MS)) await this.#sample(sandbox);
  }

  /** Oldest first; both ends included. */
  between(id: string, from: number, to: number): Sample[] {
    const samples = this.#histories.get(id)?.samples ?? [];
    return samples.filter(({ at }) => at >= from && at <= to);
  }

  /** Whether it was used, or its machine has worked, since it was last looked at. */
  #isAwake({ id, running, activity }: Sampled): boolean {
    if (!running) return false;
    const seen = this.#histories.get(id)?.seen;
    const cpuMs = this.#cpuTimeOf(running.machine.process);
    if (cpuMs === undefined) return false;
    if (!seen || cpuMs < seen.cpuMs) return true;
    const now = Date.now();
    if (activity.lastActiveAt > seen.at || cpuMs - seen.cpuMs > (now - seen.at) * IDLE_SHARE) return true;
    this.#historyOf(id).seen = { at: now, cpuMs };
    return false;
  }

  /** Joins a request that is under way. Never throws. */
  async #sample(sandbox: Sampled): Promise<void> {
    let asking = this.#asking.get(sandbox.id);
    if (!asking) {
      asking = this.#ask(sandbox).finally(() => this.#asking.delete(sandbox.id));
      this.#asking.set(sandbox.id, asking);
    }
    await asking;
  }

  async #ask({ id, running }: Sampled): Promise<void> {
    if (!running) return;
    try {
      const metrics = await running.guest.metrics(AbortSignal.timeout(TIMEOUT_MS));
      const history = this.#historyOf(id);
      const at = Date.now();
      history.samples.push({ ...metrics, at });
      if (history.samples.length > MAX_SAMPLES) history.samples.shift();
      history.seen = { at, cpuMs: this.#cpuTimeOf(running.machine.process) ?? 0 };
    } catch (err) {
      this.#log.debug({ err, sandbox_id: id }, "a guest did not tell what it uses");
    }
  }

  #historyOf(id: string): History {
    let history = this.#histories.get(id);
    if (!history) {
      history = { samples: [], seen: undefined };
      this.#histories.set(id, history);
    }
    return history;
  }
}
