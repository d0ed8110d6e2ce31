// The transitions of sandboxes that somebody asks for, each under the sandbox's own lock.
import { BOUNDS, WrennError } from "@wrenn/core";
import { assertEgress, type Egress, faultPoint } from "@wrenn/linux";
import type { Logger } from "pino";
import type { GuestClient } from "../guest/client.ts";
import type { User } from "../storage/storage.ts";
import type { SnapshotTemplate } from "../template/registry.ts";
import type { HostContext } from "./context.ts";
import {
  adoptBeginning,
  assertBounds,
  beginNew,
  type CreateSpec,
  holdContent,
  newRecord,
  type Templates,
} from "./create.ts";
import { moveDeadline, newDeadline } from "./deadline.ts";
import { explainDiskFull } from "./disk-full.ts";
import { assertOver, Endings } from "./endings.ts";
import { assertForkIds, forkRecord, freezeMoment } from "./fork.ts";
import type { Beginning } from "./life.ts";
import { flattenSoon, nameMoment } from "./name-moment.ts";
import { ownFiles } from "./own-files.ts";
import { pauseSandbox } from "./pause.ts";
import type { ReportLog } from "./reports.ts";
import { restoreSandbox } from "./restore.ts";
import { assertPaused, cloneOf, fromDiskOf, fromSnapshot, resumeSandbox } from "./resume.ts";
import { fromLeft } from "./salvage.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import { SandboxTable, type Visit } from "./table.ts";

export interface ManagerOptions {
  context: HostContext;
  templates: Templates;
  reports: ReportLog;
  log: Logger;
}

export class SandboxManager {
  readonly #context: HostContext;
  readonly #templates: Templates;
  readonly #log: Logger;
  readonly #table = new SandboxTable();
  readonly #endings: Endings;
  #closing = false;

  constructor({ context, templates, reports, log }: ManagerOptions) {
    this.#context = context;
    this.#templates = templates;
    this.#log = log;
    this.#endings = new Endings({ context, table: this.#table, reports, log });
  }

  /** Takes in a sandbox of an earlier agent's: one that runs, or one that is on disk. */
  takeIn(sandbox: Sandbox): void {
    this.#table.takeIn(sandbox);
    if (sandbox.running) this.#endings.watch(sandbox, sandbox.running);
  }

  /** Makes a sandbox and returns once its guest has confirmed its init. Nothing is left behind when it fails. */
  async create(spec: CreateSpec): Promise<Sandbox> {
    this.#assertOpen();
    const template = this.#templates.registry.get(spec.template);
    const sandbox = this.#table.register(newRecord(spec, template));
    const release = holdContent(this.#context, template);
    try {
      return await this.#start(sandbox, (log) =>
        beginNew(this.#context, this.#templates, sandbox, { template, start: spec.start }, log),
      );
    } finally {
      release();
    }
  }

  /** Ends a sandbox in whatever state it is. Succeeds when there is none. */
  async destroy(id: string): Promise<void> {
    const sandbox = this.#table.find(id);
    if (!sandbox) return;
    sandbox.gone.abort(new WrennError("not_found", `sandbox ${id} was deleted`));
    await sandbox.lock.runExclusive(() => this.#endings.free(sandbox));
  }

  /**
   * Saves a running sandbox to disk. Returns what each phase took, `ms`, once it is there and its memory free; its lock is
   * held until the rest of its life is given back.
   */
  async pause(id: string): Promise<Record<string, number>> {
    const sandbox = this.get(id);
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, number>>();
    this.#change(sandbox, (log) => pauseSandbox(this.#context, sandbox, log, resolve)).then(resolve, reject);
    return await promise;
  }

  /** Continues a paused sandbox, or boots it from its disk (`cold`). */
  async resume(id: string, { cold, timeoutSec }: { cold: boolean; timeoutSec: number }): Promise<Sandbox> {
    this.#assertOpen();
    const sandbox = this.get(id);
    await this.#change(sandbox, async (log) => {
      const beginning = await this.#nextBeginning(sandbox, cold);
      sandbox.record = { ...sandbox.record, timeoutSec };
      await resumeSandbox(this.#context, sandbox, beginning, log);
      this.#runs(sandbox);
      await this.#endings.forget(sandbox);
    });
    return sandbox;
  }

  async #nextBeginning(sandbox: Sandbox, cold: boolean): Promise<Beginning> {
    const guest = await this.#templates.registry.guestImages();
    assertOver(sandbox);
    if (sandbox.status === "stopped") return await fromLeft(this.#context, sandbox.record, { cold, guest });
    const generation = assertPaused(sandbox);
    return cold ? fromDiskOf(sandbox.record, guest) : await fromSnapshot(this.#context, generation);
  }

  /** Rolls a running or paused sandbox back to a template or snapshot; it runs afterwards. */
  async restore(id: string, name: string): Promise<Sandbox> {
    this.#assertOpen();
    const sandbox = this.get(id);
    await this.#change(sandbox, async (log) => {
      const template = this.#templates.registry.get(name);
      try {
        await restoreSandbox(this.#context, this.#templates, sandbox, template, log);
      } finally {
        this.#runs(sandbox);
      }
      await this.#endings.forget(sandbox);
    });
    return sandbox;
  }

  /** Copies a running sandbox: all copies run in the end, or none is left. The source stands still for a moment. */
  async fork(id: string, forkIds: readonly string[]): Promise<{ forks: Sandbox[]; stoodStillMs: number }> {
    this.#assertOpen();
    assertForkIds(id, forkIds, BOUNDS.fork_count.max);
    const source = this.get(id);
    const context = this.#context;
    const moment = await this.#change(source, (log) => freezeMoment(context, source, "fork", log));
    try {
      faultPoint("fork.frozen");
      const beginning = await cloneOf(context, moment.id);
      const results = await Promise.allSettled(
        forkIds.map((forkId) => {
          const copy = this.#table.register(forkRecord(source.record, forkId));
          return this.#start(copy, (log) => adoptBeginning(context, copy, beginning, log));
        }),
      );
      const failed = results.find((result) => result.status === "rejected");
      if (failed) {
        await Promise.all(forkIds.map((forkId) => this.destroy(forkId)));
        throw failed.reason;
      }
      faultPoint("fork.started");
      return { forks: forkIds.map((forkId) => this.get(forkId)), stoodStillMs: moment.stoodStillMs };
    } finally {
      moment.release();
    }
  }

  /** Keeps the present moment of a sandbox under a name. A paused one stays paused; a running one goes on, or is paused. */
  async snapshot(
    id: string,
    { name, leave, seldom }: { name: string; leave: "running" | "paused"; seldom: boolean },
  ): Promise<{ template: SnapshotTemplate; sandbox: Sandbox }> {
    const sandbox = this.get(id);
    const context = this.#context;
    return await this.#change(sandbox, async (log) => {
      if (sandbox.status === "running" && leave === "paused") await pauseSandbox(context, sandbox, log);
      const moment =
        sandbox.status === "paused"
          ? { id: assertPaused(sandbox), release: () => {} }
          : await freezeMoment(context, sandbox, "snapshot", log);
      try {
        const template = await nameMoment(context, this.#templates.registry, { moment: moment.id, name });
        if (!seldom) flattenSoon(context, moment.id, log);
        return { template, sandbox };
      } finally {
        moment.release();
      }
    });
  }

  /**
   * Gives a running sandbox `timeoutSec` from now on; `extendOnly` never shortens what it has. Throws `not_found`, or
   * `invalid_state` when it does not run.
   */
  async setTimeout(id: string, change: { timeoutSec: number; extendOnly: boolean }): Promise<Sandbox> {
    assertBounds({ timeout_sec: change.timeoutSec });
    const sandbox = this.get(id);
    return await this.#change(sandbox, async () => {
      this.enter(id).end();
      await sandbox.update(this.#context.dataDir, moveDeadline(sandbox.record, change));
      return sandbox;
    });
  }

  /** Replaces the rules for where a running or paused sandbox goes. Connections that it has stay. */
  async setEgress(id: string, egress: Egress): Promise<void> {
    assertEgress(egress);
    const sandbox = this.get(id);
    await this.#change(sandbox, async () => {
      await sandbox.update(this.#context.dataDir, { egress });
      if (sandbox.running) await this.#context.slots.restrict(sandbox.running.slot, egress);
    });
  }

  /** See {@link SandboxTable.get}. */
  get(id: string): Sandbox {
    return this.#table.get(id);
  }

  list(): Sandbox[] {
    return this.#table.list();
  }

  /** See {@link SandboxTable.use}. */
  use<T>(id: string, operation: (guest: GuestClient, gone: AbortSignal) => Promise<T>): Promise<T> {
    return this.#table.use(id, operation);
  }

  /** See {@link SandboxTable.enter}. */
  enter(id: string): Visit {
    return this.#table.enter(id);
  }

  /** See {@link SandboxTable.users}. */
  users(): User[] {
    return this.#table.users((record) => ownFiles(this.#context, record));
  }

  /** See {@link Endings.reapExpired}. */
  reapExpired(): Promise<void> {
    return this.#endings.reapExpired();
  }

  /** See {@link Endings.diskLost}. */
  diskLost(dir: string, reason: string): void {
    this.#endings.diskLost(dir, reason);
  }

  /** Refuses new work, and pauses what runs (or ends it, where that is asked for). Nothing of it runs afterwards. */
  async close(options: { pause: boolean }): Promise<void> {
    this.#closing = true;
    await this.#endings.close(options);
  }

  #assertOpen(): void {
    if (this.#closing) throw new WrennError("unavailable", "this host is shutting down");
  }

  /** Takes a registered sandbox to `running`; on failure nothing of it is left. */
  async #start(sandbox: Sandbox, begin: (log: Logger) => Promise<Running>): Promise<Sandbox> {
    const log = this.#logOf(sandbox);
    return await sandbox.lock.runExclusive(async () => {
      const began = performance.now();
      try {
        await sandbox.write(this.#context.dataDir);
        faultPoint("create.recorded");
        sandbox.running = await begin(log);
        sandbox.gone.signal.throwIfAborted();
        this.#assertOpen();
        const deadline = newDeadline(sandbox.record);
        await sandbox.update(this.#context.dataDir, { status: "running", deadline });
        faultPoint("create.running", sandbox.running.machine.process);
        this.#runs(sandbox);
        log.info(
          { ms: Math.round(performance.now() - began), base: sandbox.life.base },
          "sandbox is running",
        );
        return sandbox;
      } catch (reason) {
        const { dataDir } = this.#context;
        const error = await explainDiskFull(dataDir, reason, `sandbox ${sandbox.id} could not be started`);
        await this.#endings.free(sandbox);
        throw error;
      }
    });
  }

  /** Runs a transition under the sandbox's lock; one that was deleted meanwhile is not found. */
  async #change<T>(sandbox: Sandbox, work: (log: Logger) => Promise<T>): Promise<T> {
    return await sandbox.lock.runExclusive(async () => {
      if (!this.#table.holds(sandbox))
        throw new WrennError("not_found", `no sandbox ${sandbox.id} on this host`);
      return await work(this.#logOf(sandbox));
    });
  }

  /** A life has begun: its clock runs and its machine is watched. */
  #runs(sandbox: Sandbox): void {
    if (sandbox.status !== "running" || !sandbox.running) return;
    sandbox.activity.touch();
    this.#endings.watch(sandbox, sandbox.running);
  }

  #logOf(sandbox: Sandbox): Logger {
    return this.#log.child({ sandbox_id: sandbox.id });
  }
}
