// Disk requests of one guest that fail: a guest can make thousands in a second, and its owner is told of the first.
import type { SandboxEvent } from "./reports.ts";

/** An episode is over when nothing has failed for so long, ms. */
const QUIET_MS = 10 * 60_000;

/** What the owner is told. */
export const DISK_FAILURE: Record<SandboxEvent, string> = {
  disk_full:
    "the host's disk is full: writes of the guest fail, and its file systems may have become read-only",
  disk_error: "a disk request of the guest failed, and its file systems may have become read-only",
};

export class DiskFailures {
  readonly #now: () => number;
  /** When one last failed, on that clock. */
  readonly #failedAt = new Map<SandboxEvent, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes note of a failed request. Whether it is the first one of an episode. */
  begins(event: SandboxEvent): boolean {
    const now = this.#now();
    const before = this.#failedAt.get(event);
    this.#failedAt.set(event, now);
    return before === undefined || now - before >= QUIET_MS;
  }
}
