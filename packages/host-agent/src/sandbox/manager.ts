// All sandboxes of this machine: who they are, their transitions under one lock each, and what nobody asked for.
import { assertSandboxId, BOUNDS, newToken, WrennError } from "@wrenn/core";
import { faultPoint } from "@wrenn/linux";
import type { MachineExit } from "@wrenn/vmm";
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
  newRecord,
  type Templates,
} from "./create.ts";
import { moveDeadline, newDeadline } from "./deadline.ts";
import { assertForkIds, freezeMoment } from "./fork.ts";
import { keepTops } from "./kept-tops.ts";
import type { Beginning } from "./life.ts";
import { endLife, pauseSandbox } from "./pause.ts";
import { removeSandboxDir, type SandboxRecord, writeRecord } from "./record.ts";
import type { ReportLog } from "./reports.ts";
import { restoreSandbox } from "./restore.ts";
import { assertPaused, cloneOf, fromDiskOf, fromSnapshot, resumeSandbox } from "./resume.ts";
import { fromLeft } from "./salvage.ts";
import { type Running, runningOf, Sandbox } from "./sandbox.ts";

/** One use of a running sandbox. */
export interface Visit {
  guest: GuestClient;
  /** Aborted when the sandbox leaves `running`. */
  gone: AbortSignal;
  /** See {@link Sandbox.terminals}. */
  terminals: Set<number>;
  /** Marks the end of the use; may be called more than once. */
  end(): void;
}

export interface ManagerOptions {
  context: HostContext;
  templates: Templates;
  reports: ReportLog;
  log: Logger;
}

export class SandboxManager {
  readonly #context: HostContext;
  readonly #templates: Templates;
  readonly #reports: ReportLog;
  readonly #log: Logger;
  readonly #sandboxes = new Map<string, Sandbox>();
  #closing = false;

  constructor({ context, templates, reports, log }: ManagerOptions) {
    this.#context = context;
    this.#templates = templates;
    this.#reports = reports;
    this.#log = log;
  }

  /** Takes in a sandbox of an earlier agent's: one that runs, or one that is on disk. */
  takeIn(sandbox: Sandbox): void {
    this.#sandboxes.set(sandbox.id, sandbox);
    if (sandbox.running) this.#watch(sandbox, sandbox.running);
  }

  /** Makes a sandbox and returns once its guest has confirmed its init. Nothing is left behind when it fails. */
  async create(spec: CreateSpec): Promise<Sandbox> {
    this.#assertOpen();
    const template = this.#templates.registry.get(spec.template);
    const sandbox = this.#register(newRecord(spec, template));
    const release = template.type === "snapshot" ? this.#context.storage.hold(template.snapshot) : () => {};
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
    assertSandboxId(id);
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    sandbox.gone.abort(new WrennError("not_found", `sandbox ${id} was deleted`));
    await sandbox.lock.runExclusive(() => this.#free(sandbox));
  }

  /** Saves a running sandbox to disk. Returns what each phase took, `ms`. */
  async pause(id: string): Promise<Record<string, number>> {
    const sandbox = this.get(id);
    return await this.#change(sandbox, (log) => pauseSandbox(this.#context, sandbox, log));
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
    });
    return sandbox;
  }

  async #nextBeginning(sandbox: Sandbox, cold: boolean): Promise<Beginning> {
    const guest = await this.#templates.registry.guestImages();
    if (sandbox.status === "stopped") return await fromLeft(this.#context, sandbox.record, { cold, guest });
    const generation = assertPaused(sandbox);
    return cold
      ? fromDiskOf(this.#context, generation, guest)
      : await fromSnapshot(this.#context, generation);
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
    });
    return sandbox;
  }

  /** Copies a running sandbox: all copies run in the end, or none is left. The source stands still for a moment. */
  async fork(id: string, forkIds: readonly string[]): Promise<{ forks: Sandbox[]; stoodStillMs: number }> {
    this.#assertOpen();
    for (const forkId of forkIds) assertSandboxId(forkId);
    assertForkIds(id, forkIds, BOUNDS.fork_count.max);
    const source = this.get(id);
    const context = this.#context;
    const moment = await this.#change(source, (log) => freezeMoment(context, source, "fork", log));
    try {
      faultPoint("fork.frozen");
      const beginning = await cloneOf(context, moment.id);
      const results = await Promise.allSettled(
        forkIds.map((forkId) => {
          const { vcpus, memoryMb, diskMb, template, timeoutSec, ttlMode, onTimeout, envs } = source.record;
          const like: CreateSpec = {
            id: forkId,
            template,
            vcpus,
            memoryMb,
            diskMb,
            timeoutSec,
            ttlMode,
            onTimeout,
            envs,
            start: "clone",
          };
          const copy = this.#register({ ...emptyRecord(like), createdAt: Date.now() });
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
    { name, leave }: { name: string; leave: "running" | "paused" },
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
        const { vcpus, memoryMb, diskMb } = context.snapshots.get(moment.id).manifest;
        const template: SnapshotTemplate = {
          name,
          type: "snapshot",
          snapshot: moment.id,
          vcpus,
          memoryMb,
          diskMb,
          sizeBytes: await context.snapshots.sizeOf(moment.id),
          createdAt: Date.now(),
        };
        faultPoint("snapshot.frozen");
        await this.#templates.registry.set(template);
        faultPoint("snapshot.named");
        this.#flatten(moment.id);
        return { template, sandbox };
      } finally {
        moment.release();
      }
    });
  }

  /** The sandbox of that id, in any state. Throws `not_found`. */
  get(id: string): Sandbox {
    assertSandboxId(id);
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new WrennError("not_found", `no sandbox ${id} on this host`);
    return sandbox;
  }

  list(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  /**
   * Runs an operation on a running guest. Counts as activity while it lasts; its signal is aborted when the sandbox goes
   * away. Throws `not_found`, or `invalid_state` when the sandbox does not run.
   */
  async use<T>(id: string, operation: (guest: GuestClient, gone: AbortSignal) => Promise<T>): Promise<T> {
    const { guest, gone, end } = this.enter(id);
    try {
      return await operation(guest, gone);
    } finally {
      end();
    }
  }

  /** As {@link use}, for operations whose end the caller marks itself (streams). */
  enter(id: string): Visit {
    const sandbox = this.get(id);
    const { guest } = runningOf(sandbox, "this");
    return {
      guest,
      gone: AbortSignal.any([sandbox.gone.signal, sandbox.left.signal]),
      terminals: sandbox.terminals,
      end: sandbox.activity.begin(),
    };
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

  /** Pauses or ends the sandboxes whose time is up. The condition is checked again under each one's lock. */
  async reapExpired(): Promise<void> {
    const expired = (sandbox: Sandbox) => sandbox.status === "running" && sandbox.isExpired;
    await Promise.all(
      this.list()
        .filter(expired)
        .map((sandbox) =>
          sandbox.lock.runExclusive(async () => {
            if (!expired(sandbox)) return;
            const reason = endOfTime(sandbox.record);
            if (sandbox.record.onTimeout === "pause") await this.#pauseUnasked(sandbox, reason);
            else await this.#stop(sandbox, reason);
          }),
        ),
    );
  }

  /** Refuses new work, and pauses what runs (or ends it, where that is asked for). Nothing of it runs afterwards. */
  async close({ pause }: { pause: boolean }): Promise<void> {
    this.#closing = true;
    const reason = "the platform on this host was shut down";
    for (const sandbox of this.list()) {
      if (sandbox.status === "starting")
        sandbox.gone.abort(new WrennError("unavailable", "this host is shutting down"));
    }
    await Promise.all(
      this.list().map((sandbox) =>
        sandbox.lock.runExclusive(async () => {
          if (sandbox.status !== "running") return;
          if (pause && (await this.#pauseUnasked(sandbox, reason))) return;
          await this.#stop(sandbox, reason);
        }),
      ),
    );
  }

  /** Who needs which snapshots and images. */
  users(): User[] {
    return this.list().map(({ id, record }) => ({
      label: `sandbox ${id}`,
      snapshots: [
        record.snapshot,
        record.life?.base,
        ...record.layers.map((layer) => (layer.kind === "snapshot" ? layer.id : undefined)),
      ].filter((snapshot) => snapshot != null),
      images: [
        ...record.layers.flatMap((layer) => (layer.kind === "image" ? [layer.name] : [])),
        ...(record.life ? Object.values(record.life.guest) : []),
      ],
    }));
  }

  #assertOpen(): void {
    if (this.#closing) throw new WrennError("unavailable", "this host is shutting down");
  }

  #register(record: SandboxRecord): Sandbox {
    if (this.#sandboxes.has(record.id)) {
      throw new WrennError("already_exists", `sandbox ${record.id} exists on this host`, {
        field: "sandbox_id",
      });
    }
    const sandbox = new Sandbox(record);
    this.#sandboxes.set(record.id, sandbox);
    return sandbox;
  }

  /** Takes a registered sandbox to `running`; on failure nothing of it is left. */
  async #start(sandbox: Sandbox, begin: (log: Logger) => Promise<Running>): Promise<Sandbox> {
    const log = this.#logOf(sandbox);
    return await sandbox.lock.runExclusive(async () => {
      const began = performance.now();
      try {
        await writeRecord(this.#context.dataDir, sandbox.record);
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
        await this.#free(sandbox);
        throw reason;
      }
    });
  }

  /** Runs a transition under the sandbox's lock; one that was deleted meanwhile is not found. */
  async #change<T>(sandbox: Sandbox, work: (log: Logger) => Promise<T>): Promise<T> {
    return await sandbox.lock.runExclusive(async () => {
      if (!this.#sandboxes.has(sandbox.id))
        throw new WrennError("not_found", `no sandbox ${sandbox.id} on this host`);
      return await work(this.#logOf(sandbox));
    });
  }

  /** A life has begun: its clock runs and its machine is watched. */
  #runs(sandbox: Sandbox): void {
    if (sandbox.status !== "running" || !sandbox.running) return;
    sandbox.activity.touch();
    this.#watch(sandbox, sandbox.running);
  }

  #watch(sandbox: Sandbox, running: Running): void {
    void running.machine.exited.then((exit) => this.#machineEnded(sandbox, running, exit));
    running.machine.onDiskError(({ enospc }) => {
      const what = enospc
        ? "the host's disk is full: writes of the guest fail"
        : "a disk request of the guest failed";
      this.#logOf(sandbox).error({ enospc }, what);
    });
  }

  async #machineEnded(sandbox: Sandbox, running: Running, exit: MachineExit): Promise<void> {
    await sandbox.lock.runExclusive(async () => {
      if (sandbox.running !== running) return;
      const status = exit.status === null ? "an unknown status" : `status ${exit.status}`;
      const reason = exit.status === 0 ? "the guest shut down" : `the virtual machine ended with ${status}`;
      await this.#lose(sandbox, running, reason);
    });
  }

  /** Its machine has died: what it ran on goes, its disk and its last generation stay until somebody decides. */
  async #lose(sandbox: Sandbox, running: Running, reason: string): Promise<void> {
    const { dataDir } = this.#context;
    sandbox.left.abort(new WrennError("guest_unreachable", `sandbox ${sandbox.id} ended: ${reason}`));
    await this.#reports.add({ sandboxId: sandbox.id, status: "stopped", reason });
    const kept = await keepTops(dataDir, sandbox.record);
    await sandbox.update(dataDir, { status: "stopped", next: null, deadline: null, kept });
    sandbox.running = undefined;
    await endLife(this.#context, sandbox, running, this.#logOf(sandbox));
    this.#logOf(sandbox).warn({ reason }, "a sandbox lost its machine; its disk is kept");
  }

  /** Ends a sandbox whose disk does not work any more: what it writes from now on would be lost. */
  diskLost(dir: string, reason: string): void {
    const sandbox = this.list().find(({ running }) => running?.dir === dir);
    const running = sandbox?.running;
    if (!sandbox || !running) return;
    void sandbox.lock.runExclusive(async () => {
      if (sandbox.running === running) await this.#stop(sandbox, reason);
    });
  }

  /** Pauses without being asked and reports it. Returns whether it is paused. */
  async #pauseUnasked(sandbox: Sandbox, reason: string): Promise<boolean> {
    try {
      await pauseSandbox(this.#context, sandbox, this.#logOf(sandbox));
      await this.#reports.add({ sandboxId: sandbox.id, status: "paused", reason });
      return true;
    } catch (err) {
      this.#logOf(sandbox).error({ err }, `could not pause it (${reason})`);
      // Not at once again: what failed for want of space would fail in a loop.
      sandbox.activity.touch();
      return false;
    }
  }

  /** Ends a sandbox that nobody asked to end, and reports it. The caller holds its lock. */
  async #stop(sandbox: Sandbox, reason: string): Promise<void> {
    if (!this.#sandboxes.has(sandbox.id)) return;
    sandbox.left.abort(new WrennError("guest_unreachable", `sandbox ${sandbox.id} ended: ${reason}`));
    await this.#reports.add({ sandboxId: sandbox.id, status: "stopped", reason });
    await this.#free(sandbox);
    this.#logOf(sandbox).info({ reason }, "sandbox stopped");
  }

  /** Gives everything back, and what only this sandbox needed goes. */
  async #free(sandbox: Sandbox): Promise<void> {
    if (!this.#sandboxes.has(sandbox.id)) return;
    if (sandbox.status !== "stopped") sandbox.become("stopped");
    const { running } = sandbox;
    sandbox.running = undefined;
    if (running) await endLife(this.#context, sandbox, running, this.#logOf(sandbox));
    faultPoint("destroy.freed");
    await removeSandboxDir(this.#context.dataDir, sandbox.id);
    this.#sandboxes.delete(sandbox.id);
    this.#context.storage.collect();
  }

  /** Makes the shared memory image of a named snapshot ahead of its first use. */
  #flatten(id: string): void {
    this.#context.memory
      .acquire(id)
      .then((image) => image.release())
      .catch((err: unknown) => this.#log.warn({ err, snapshot: id }, "could not flatten a snapshot yet"));
  }

  #logOf(sandbox: Sandbox): Logger {
    return this.#log.child({ sandbox_id: sandbox.id });
  }
}

function endOfTime({ ttlMode, timeoutSec }: SandboxRecord): string {
  return ttlMode === "deadline" ? `its ${timeoutSec} s are over` : `idle for ${timeoutSec} s`;
}

function emptyRecord(spec: CreateSpec): SandboxRecord {
  const { start: _, ...fields } = spec;
  return {
    version: 2,
    ...fields,
    status: "starting",
    deadline: null,
    token: newToken(),
    createdAt: Date.now(),
    snapshot: null,
    next: null,
    layers: [],
    kept: [],
    lives: 0,
    life: null,
  };
}
