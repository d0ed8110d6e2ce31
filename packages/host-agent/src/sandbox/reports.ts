// What happened to sandboxes without being asked for, kept on disk until the control plane has acknowledged it.
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { newToken } from "@wrenn/core";
import { removeUnfinished, replaceFile } from "@wrenn/linux";

export type SandboxEvent = "disk_full" | "disk_error";

export interface SandboxReport {
  id: string;
  sandboxId: string;
  status: "running" | "stopped" | "paused" | "error";
  /** What happened to one that goes on. */
  event?: SandboxEvent;
  reason: string;
  /** Milliseconds since the epoch. */
  at: number;
}

const ID = /^[0-9a-f]{64}$/;

/** Reports are repeated on every list until they are acknowledged: one lost answer loses nothing. */
export class ReportLog {
  readonly #dir: string;
  readonly #onError: (reason: unknown) => void;
  readonly #reports = new Map<string, SandboxReport>();
  /** Those of them that are in memory alone, and belong on disk. */
  readonly #unwritten = new Set<SandboxReport>();
  /**
   * Files that cannot be read, which are left where they are. No reason not to start: what a report tells shows in the list
   * of sandboxes too, but for the words.
   */
  readonly damaged: { path: string; reason: unknown }[] = [];

  private constructor(dir: string, onError: (reason: unknown) => void) {
    this.#dir = dir;
    this.#onError = onError;
  }

  /** Opens the log of a data directory, with what is still unacknowledged from before. `onError`: told of failed writes. */
  static async open(dataDir: string, onError: (reason: unknown) => void = () => {}): Promise<ReportLog> {
    const log = new ReportLog(join(dataDir, "reports"), onError);
    await mkdir(log.#dir, { recursive: true, mode: 0o700 });
    await removeUnfinished(log.#dir);
    for (const name of await readdir(log.#dir)) {
      if (ID.test(name)) await log.#load(name);
    }
    return log;
  }

  /**
   * Never fails, since what it tells has happened: one that cannot be written is told from memory, and written with the
   * next one. Should the agent end before that, the list of sandboxes says the same without the reason.
   */
  async add(report: Omit<SandboxReport, "id" | "at">): Promise<void> {
    const entry: SandboxReport = { ...report, id: newToken(), at: Date.now() };
    this.#unwritten.add(entry);
    for (const each of this.#unwritten) {
      try {
        await replaceFile(join(this.#dir, each.id), JSON.stringify(each));
        this.#unwritten.delete(each);
      } catch (reason) {
        this.#onError(reason);
        break;
      }
    }
    this.#reports.set(entry.id, entry);
  }

  /**
   * Reports what happened to a sandbox that goes on. Kept in memory alone: the disk that it would be written to may be the
   * one that is full, and what goes on failing is told anew by the next agent. Of each sandbox and event there is one at
   * most, the first, for as long as nobody has acknowledged it.
   */
  note(sandboxId: string, event: SandboxEvent, reason: string): void {
    for (const report of this.#reports.values()) {
      if (report.sandboxId === sandboxId && report.event === event) return;
    }
    const id = newToken();
    this.#reports.set(id, { id, sandboxId, status: "running", event, reason, at: Date.now() });
  }

  /** Oldest first. */
  list(): SandboxReport[] {
    return [...this.#reports.values()].sort((a, b) => a.at - b.at);
  }

  /** Forgets reports. Unknown ids are ignored: they were acknowledged before. */
  async acknowledge(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const report = this.#reports.get(id);
      if (!report) continue;
      this.#reports.delete(id);
      this.#unwritten.delete(report);
      // One that a power cut brings back is told once more.
      await rm(join(this.#dir, id), { force: true });
    }
  }

  /** A sandbox goes on: that it had ended, or was paused, must not be told after that. */
  async forgetEnds(sandboxId: string): Promise<void> {
    const ends = this.list().filter((report) => report.sandboxId === sandboxId && report.event === undefined);
    await this.acknowledge(ends.map(({ id }) => id));
  }

  async #load(id: string): Promise<void> {
    const path = join(this.#dir, id);
    try {
      const report = JSON.parse(await readFile(path, "utf8")) as SandboxReport;
      if (report.id !== id) throw new Error(`it calls itself ${report.id}`);
      this.#reports.set(id, report);
    } catch (reason) {
      this.damaged.push({ path, reason });
    }
  }
}
