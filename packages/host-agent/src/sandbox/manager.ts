// All sandboxes of this machine: creation, destruction, use, time-outs, and what happens when a machine dies.
import {
  assertSandboxId,
  BOUNDS,
  newSandboxId,
  newToken,
  type SandboxStatus,
  Scope,
  WrennError,
} from "@wrenn/core";
import type { MachineExit } from "@wrenn/vmm";
import { Semaphore } from "async-mutex";
import type { Logger } from "pino";
import type { GuestClient } from "../guest/client.ts";
import type { TemplateRegistry } from "../template/registry.ts";
import { acquire } from "./acquire.ts";
import type { Capacity } from "./capacity.ts";
import { moveDeadline, newDeadline } from "./deadline.ts";
import { readRecords, removeSandboxDir, type SandboxRecord, writeRecord } from "./record.ts";
import type { ReportLog } from "./reports.ts";
import { Sandbox } from "./sandbox.ts";
import { type StartContext, startSandbox } from "./start.ts";

export interface CreateSpec {
  /** Empty = a new one. */
  id: string;
  template: string;
  vcpus: number;
  memoryMb: number;
  /** 0 = the default. */
  diskMb: number;
  timeoutSec: number;
  ttlMode: SandboxRecord["ttlMode"];
  envs: Record<string, string>;
}

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
  start: StartContext;
  templates: TemplateRegistry;
  capacity: Capacity;
  reports: ReportLog;
  /** Boots at one time: more than this only make each other slower. */
  concurrentBoots: number;
  log: Logger;
}

export class SandboxManager {
  readonly #options: ManagerOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #boots: Semaphore;
  #closing = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#boots = new Semaphore(options.concurrentBoots);
  }

  /**
   * Removes what an earlier agent left on disk and reports each as stopped. Its processes and network are gone by then:
   * the caller has swept the block.
   */
  async clearLeftovers(): Promise<void> {
    const { start, reports, log } = this.#options;
    for (const { id, record } of await readRecords(start.dataDir)) {
      await start.rootfs.remove({ dir: `${start.dataDir}/sandboxes/${id}/vm` });
      await reports.add({ sandboxId: id, status: "stopped", reason: "the host agent was restarted" });
      await removeSandboxDir(start.dataDir, id);
      log.info({ sandbox_id: id, was: record?.status }, "removed a sandbox of an earlier run");
    }
  }

  /** Makes a sandbox and returns once its guest has confirmed its init. Nothing is left behind when it fails. */
  async create(spec: CreateSpec): Promise<Sandbox> {
    this.#assertOpen();
    const { capacity, templates, start, log } = this.#options;
    const template = templates.get(spec.template);
    const record = newRecord(spec);
    assertFits(record, template.minDiskMb);
    if (this.#sandboxes.has(record.id)) {
      throw new WrennError("already_exists", `sandbox ${record.id} exists on this host`, {
        field: "sandbox_id",
      });
    }
    const sandbox = new Sandbox({ record, envs: spec.envs });
    sandbox.scope.defer("capacity", capacity.reserve(record.memoryMb));
    this.#sandboxes.set(record.id, sandbox);
    const logger = log.child({ sandbox_id: record.id });
    return sandbox.lock.runExclusive(async () => {
      const began = performance.now();
      try {
        sandbox.scope.defer("directory", () => removeSandboxDir(start.dataDir, record.id));
        await writeRecord(start.dataDir, record);
        const guest = await templates.guestImages();
        const leave = await acquire(this.#boots, sandbox.gone.signal);
        try {
          sandbox.running = await startSandbox(start, { guest, template }, sandbox, logger);
        } finally {
          leave();
        }
        sandbox.gone.signal.throwIfAborted();
        this.#assertOpen();
        sandbox.record = { ...sandbox.record, deadline: newDeadline(sandbox.record) };
        await this.#become(sandbox, "running");
        sandbox.activity.touch();
        void sandbox.running.machine.exited.then((exit) => this.#machineEnded(sandbox, exit));
        logger.info({ ms: Math.round(performance.now() - began) }, "sandbox is running");
        return sandbox;
      } catch (reason) {
        await this.#free(sandbox, logger);
        throw reason;
      }
    });
  }

  /** Ends a sandbox in whatever state it is. Succeeds when there is none. */
  async destroy(id: string): Promise<void> {
    assertSandboxId(id);
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    sandbox.gone.abort(new WrennError("not_found", `sandbox ${id} was deleted`));
    await sandbox.lock.runExclusive(() => this.#free(sandbox, this.#options.log.child({ sandbox_id: id })));
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
    if (sandbox.status !== "running" || !sandbox.running) {
      throw new WrennError("invalid_state", `sandbox ${id} is ${sandbox.status}, not running`);
    }
    return {
      guest: sandbox.running.guest,
      gone: sandbox.gone.signal,
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
    return await sandbox.lock.runExclusive(async () => {
      this.enter(id).end();
      sandbox.record = { ...sandbox.record, ...moveDeadline(sandbox.record, change) };
      await writeRecord(this.#options.start.dataDir, sandbox.record);
      return sandbox;
    });
  }

  /** Ends the sandboxes whose time is up. The condition is checked again under each one's lock. */
  async reapExpired(): Promise<void> {
    const expired = (sandbox: Sandbox) => sandbox.status === "running" && sandbox.isExpired;
    const due = this.list().filter(expired);
    await Promise.all(
      due.map((sandbox) =>
        sandbox.lock.runExclusive(async () => {
          if (expired(sandbox)) await this.#stop(sandbox, endOfTime(sandbox.record));
        }),
      ),
    );
  }

  /** Refuses new sandboxes, ends all and waits for it. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const sandbox of this.list()) {
      if (sandbox.status === "starting")
        sandbox.gone.abort(new WrennError("unavailable", "this host is shutting down"));
    }
    await Promise.all(
      this.list().map((sandbox) =>
        sandbox.lock.runExclusive(() => this.#stop(sandbox, "the platform on this host was shut down")),
      ),
    );
  }

  #assertOpen(): void {
    if (this.#closing) throw new WrennError("unavailable", "this host is shutting down");
  }

  async #become(sandbox: Sandbox, status: SandboxStatus): Promise<void> {
    sandbox.become(status);
    await writeRecord(this.#options.start.dataDir, sandbox.record);
  }

  async #machineEnded(sandbox: Sandbox, exit: MachineExit): Promise<void> {
    await sandbox.lock.runExclusive(async () => {
      if (sandbox.status !== "running") return;
      const status = exit.status === null ? "an unknown status" : `status ${exit.status}`;
      const reason = exit.status === 0 ? "the guest shut down" : `the virtual machine ended with ${status}`;
      await this.#stop(sandbox, reason);
    });
  }

  /** Ends a sandbox that nobody asked to end, and reports it. The caller holds its lock. */
  async #stop(sandbox: Sandbox, reason: string): Promise<void> {
    if (sandbox.status === "stopped") return;
    const log = this.#options.log.child({ sandbox_id: sandbox.id });
    sandbox.gone.abort(new WrennError("guest_unreachable", `sandbox ${sandbox.id} ended: ${reason}`));
    await this.#options.reports.add({ sandboxId: sandbox.id, status: "stopped", reason });
    await this.#free(sandbox, log);
    log.info({ reason }, "sandbox stopped");
  }

  /** Gives everything back. What cannot be given back is an error in the log; the next start finds it by its name. */
  async #free(sandbox: Sandbox, log: Logger): Promise<void> {
    if (sandbox.status === "stopped") return;
    sandbox.become("stopped");
    sandbox.running = undefined;
    const scope = sandbox.scope;
    sandbox.scope = new Scope();
    try {
      await scope.close();
    } catch (err) {
      log.error({ err }, "could not give back everything a sandbox held");
    }
    this.#sandboxes.delete(sandbox.id);
  }
}

function newRecord(spec: CreateSpec): SandboxRecord {
  const id = spec.id === "" ? newSandboxId() : spec.id;
  assertSandboxId(id);
  return {
    version: 1,
    id,
    status: "starting",
    template: spec.template,
    vcpus: spec.vcpus,
    memoryMb: spec.memoryMb,
    diskMb: spec.diskMb === 0 ? BOUNDS.disk_mb.default : spec.diskMb,
    timeoutSec: spec.timeoutSec,
    ttlMode: spec.ttlMode,
    deadline: null,
    onTimeout: "destroy",
    token: newToken(),
    createdAt: Date.now(),
  };
}

/** The control plane has checked these already; the agent runs as root and checks again. */
function assertFits(record: SandboxRecord, minDiskMb: number): void {
  assertBounds({
    vcpus: record.vcpus,
    memory_mb: record.memoryMb,
    disk_mb: record.diskMb,
    timeout_sec: record.timeoutSec,
  });
  if (record.diskMb < minDiskMb) {
    throw new WrennError(
      "invalid_argument",
      `disk_mb must be at least ${minDiskMb}: template ${record.template} needs that much`,
      { field: "disk_mb" },
    );
  }
}

function assertBounds(values: Partial<Record<keyof typeof BOUNDS, number>>): void {
  for (const [field, value] of Object.entries(values) as [keyof typeof BOUNDS, number][]) {
    const { min, max } = BOUNDS[field];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new WrennError("invalid_argument", `${field} must be a whole number from ${min} to ${max}`, {
        field,
      });
    }
  }
}

function endOfTime({ ttlMode, timeoutSec }: SandboxRecord): string {
  return ttlMode === "deadline" ? `its ${timeoutSec} s are over` : `idle for ${timeoutSec} s`;
}
