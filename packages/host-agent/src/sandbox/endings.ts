// How sandboxes end or go to disk without being asked to, and how each gives back what it held.
import { WrennError } from "@wrenn/core";
import { faultPoint, kill } from "@wrenn/linux";
import type { MachineExit } from "@wrenn/vmm";
import type { Logger } from "pino";
import type { HostContext } from "./context.ts";
import { DISK_FAILURE, DiskFailures } from "./disk-failures.ts";
import { keepTops } from "./kept-tops.ts";
import { endLife, giveBack, pauseSandbox } from "./pause.ts";
import { quiesce } from "./quiesce.ts";
import { removeSandboxDir, type SandboxRecord } from "./record.ts";
import type { ReportLog } from "./reports.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import type { SandboxTable } from "./table.ts";

/** A pause that nobody asked for and that failed is tried again after so long at the earliest, ms: each attempt ends streams. */
const PAUSE_AGAIN_MS = 30_000;

export interface EndingsOptions {
  context: HostContext;
  table: SandboxTable;
  reports: ReportLog;
  log: Logger;
}

export class Endings {
  readonly #context: HostContext;
  readonly #table: SandboxTable;
  readonly #reports: ReportLog;
  readonly #log: Logger;
  /** Whose machine has died, and why, until that is on record. */
  readonly #dead = new Map<Sandbox, { running: Running; reason: string }>();
  /** When a pause without being asked may be tried again, on the clock of `performance.now()`. */
  readonly #pauseAgainAt = new WeakMap<Sandbox, number>();

  constructor({ context, table, reports, log }: EndingsOptions) {
    this.#context = context;
    this.#table = table;
    this.#reports = reports;
    this.#log = log;
  }

  /** Watches a machine: its end, and the disk requests of its guest that fail. Of these its owner is told, and it goes on. */
  watch(sandbox: Sandbox, running: Running): void {
    running.machine.exited
      .then((exit) => this.#machineEnded(sandbox, running, exit))
      .catch((err: unknown) => this.#logOf(sandbox).error({ err }, "could not end what a dead machine left"));
    const failures = new DiskFailures();
    running.machine.onDiskError(({ enospc }) => {
      const event = enospc ? "disk_full" : "disk_error";
      if (!failures.begins(event) || sandbox.running !== running) return;
      this.#logOf(sandbox).error({ enospc }, DISK_FAILURE[event]);
      this.#reports.note(sandbox.id, event, DISK_FAILURE[event]);
    });
  }

  /**
   * Pauses or ends the sandboxes whose time is up; the condition is checked again under each one's lock. And tries again
   * where what a dead machine has left could not be kept.
   */
  async reapExpired(): Promise<void> {
    for (const [sandbox, { running, reason }] of [...this.#dead]) {
      await sandbox.lock.runExclusive(async () => {
        if (sandbox.running === running) await this.#lose(sandbox, running, reason);
        else this.#dead.delete(sandbox);
      });
    }
    const expired = (sandbox: Sandbox) =>
      sandbox.status === "running" &&
      !this.#dead.has(sandbox) &&
      sandbox.isExpired &&
      (this.#pauseAgainAt.get(sandbox) ?? 0) <= performance.now();
    await Promise.all(
      this.#table
        .list()
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

  /**
   * Pauses what runs (or ends it, where that is asked for). What cannot be paused loses its machine, and keeps its disk and
   * its last generation; when not even that can be written, everything is left as it is for the next agent.
   */
  async close({ pause }: { pause: boolean }): Promise<void> {
    const reason = "the platform on this host was shut down";
    for (const sandbox of this.#table.list()) {
      if (sandbox.status === "starting")
        sandbox.gone.abort(new WrennError("unavailable", "this host is shutting down"));
    }
    await Promise.all(
      this.#table.list().map((sandbox) =>
        sandbox.lock.runExclusive(async () => {
          if (sandbox.status !== "running") return;
          if (!pause) return await this.#stop(sandbox, reason);
          if (await this.#pauseUnasked(sandbox, reason)) return;
          const { running } = sandbox;
          if (!running) return;
          await this.#endUnpaused(sandbox, running, reason);
        }),
      ),
    );
  }

  /**
   * Ends the machine of a sandbox whose disk does not work any more: what it writes from now on would be lost. Its last
   * generation stays.
   */
  diskLost(dir: string, reason: string): void {
    const sandbox = this.#table.list().find(({ running }) => running?.dir === dir);
    const running = sandbox?.running;
    if (!sandbox || !running) return;
    void sandbox.lock
      .runExclusive(async () => {
        if (sandbox.running === running) await this.#lose(sandbox, running, reason);
      })
      .catch((err: unknown) => this.#logOf(sandbox).error({ err }, "could not end a machine without a disk"));
  }

  /** A sandbox goes on: what was reported of an end, or of a pause, is not told after that. */
  async forget(sandbox: Sandbox): Promise<void> {
    await this.#reports.forgetEnds(sandbox.id).catch((err: unknown) => {
      // The next agent tells of it once more; the control plane takes the sandbox back after that.
      this.#logOf(sandbox).error({ err }, "could not remove a report");
    });
  }

  /** Gives everything back, and what only this sandbox needed goes. A later agent brings to its end what this one could not. */
  async free(sandbox: Sandbox): Promise<void> {
    if (!this.#table.holds(sandbox)) return;
    const { dataDir } = this.#context;
    const log = this.#logOf(sandbox);
    const { running } = sandbox;
    sandbox.running = undefined;
    // Ahead of its machine, whose end would be a loss to whoever finds it with a record that says it runs.
    await sandbox.update(dataDir, { status: "stopped", next: null, kept: [] }).catch((err: unknown) => {
      log.error({ err }, "could not record that a sandbox is being deleted");
    });
    if (running) await giveBack(running, log);
    faultPoint("destroy.freed");
    await removeSandboxDir(dataDir, sandbox.id);
    this.#table.drop(sandbox);
    this.#context.storage.collect();
  }

  async #machineEnded(sandbox: Sandbox, running: Running, exit: MachineExit): Promise<void> {
    await sandbox.lock.runExclusive(async () => {
      if (sandbox.running !== running) return;
      const status = exit.status === null ? "an unknown status" : `status ${exit.status}`;
      const reason = exit.status === 0 ? "the guest shut down" : `the virtual machine ended with ${status}`;
      await this.#lose(sandbox, running, reason);
    });
  }

  /** Ends a machine that could not be paused. When what it has written cannot be kept, the next agent finds it dead. */
  async #endUnpaused(sandbox: Sandbox, running: Running, reason: string): Promise<void> {
    await quiesce(running, "end", this.#logOf(sandbox));
    await this.#lose(sandbox, running, `${reason}, and it could not be paused`);
    if (sandbox.running === running) kill(running.machine.process, "SIGKILL");
  }

  /**
   * Its machine has died, or is ended here: what it ran on goes, its disk and its last generation stay until somebody
   * decides. When what it has written cannot be kept, nothing goes yet, and it is tried again with the next round.
   */
  async #lose(sandbox: Sandbox, running: Running, reason: string): Promise<void> {
    const { dataDir } = this.#context;
    const log = this.#logOf(sandbox);
    if (!this.#dead.has(sandbox)) {
      this.#dead.set(sandbox, { running, reason });
      sandbox.left.abort(new WrennError("guest_unreachable", `sandbox ${sandbox.id} ended: ${reason}`));
      await this.#reports.add({ sandboxId: sandbox.id, status: "stopped", reason });
    }
    try {
      const kept = await keepTops(this.#context.rootfs, dataDir, sandbox.record);
      await sandbox.update(dataDir, { status: "stopped", next: null, deadline: null, kept });
    } catch (err) {
      // What the record on disk names must be there for the next agent.
      if (sandbox.status !== "stopped" || !sandbox.isDiskOnRecord) {
        log.error({ err }, "could not keep the disk of a dead machine yet");
        sandbox.deadOf = reason;
        if (sandbox.status === "stopped") kill(running.machine.process, "SIGKILL");
        return;
      }
      // The record on disk says that it runs: the next agent finds its machine dead, and does the same once more.
      log.error({ err }, "could not record that a sandbox has ended");
    }
    this.#dead.delete(sandbox);
    sandbox.deadOf = undefined;
    sandbox.running = undefined;
    await endLife(this.#context, sandbox, running, log);
    log.warn({ reason }, "a sandbox lost its machine; its disk is kept");
  }

  /** Pauses without being asked and reports it. Returns whether it is paused. */
  async #pauseUnasked(sandbox: Sandbox, reason: string): Promise<boolean> {
    try {
      await pauseSandbox(this.#context, sandbox, this.#logOf(sandbox));
      await this.#reports.add({ sandboxId: sandbox.id, status: "paused", reason });
      return true;
    } catch (err) {
      this.#logOf(sandbox).error({ err }, `could not pause it (${reason})`);
      // What failed for want of space would fail in a loop.
      this.#pauseAgainAt.set(sandbox, performance.now() + PAUSE_AGAIN_MS);
      return false;
    }
  }

  /** Ends a sandbox that nobody asked to end, and reports it. The caller holds its lock. */
  async #stop(sandbox: Sandbox, reason: string): Promise<void> {
    if (!this.#table.holds(sandbox)) return;
    sandbox.left.abort(new WrennError("guest_unreachable", `sandbox ${sandbox.id} ended: ${reason}`));
    await this.#reports.add({ sandboxId: sandbox.id, status: "stopped", reason });
    await this.free(sandbox);
    this.#logOf(sandbox).info({ reason }, "sandbox stopped");
  }

  #logOf(sandbox: Sandbox): Logger {
    return this.#log.child({ sandbox_id: sandbox.id });
  }
}

/** Throws `unavailable` while a machine has died and what it has left is not on record: nothing can go on from that yet. */
export function assertOver({ id, deadOf }: Sandbox): void {
  if (deadOf === undefined) return;
  throw new WrennError(
    "unavailable",
    `sandbox ${id} has ended (${deadOf}), and what it left cannot be put on record yet; is the disk full?`,
    { retryAfterSec: 5 },
  );
}

function endOfTime({ ttlMode, timeoutSec }: SandboxRecord): string {
  return ttlMode === "deadline" ? `its ${timeoutSec} s are over` : `idle for ${timeoutSec} s`;
}
