// The life cycle of a sandbox: which status may follow which, and what moves it.
import { WrennError } from "./errors.ts";

/**
 * - `pending`: a row exists, no host has been asked yet.
 * - `starting`: a host is making it. Leaves to `running` once the guest has confirmed its init.
 * - `running`: the guest answers.
 * - `pausing` / `paused` / `resuming`: on its way to disk, on disk, on its way back. A running sandbox that is rolled
 *   back to a snapshot is `resuming` too.
 * - `stopped`: ended; the row answers for 24 hours. What ended without being asked to has its disk until then, and can
 *   be resumed from it.
 * - `error`: broken, the reason is in `error`. Its owner can only delete it; one that its host has whole again is taken back.
 */
export const SANDBOX_STATUSES = [
  "pending",
  "starting",
  "running",
  "pausing",
  "paused",
  "resuming",
  "stopped",
  "error",
] as const;

export type SandboxStatus = (typeof SANDBOX_STATUSES)[number];

/** The legal transitions. Deletion (`stopped`) is legal from everywhere but `stopped` itself. */
export const TRANSITIONS: Readonly<Record<SandboxStatus, readonly SandboxStatus[]>> = {
  pending: ["starting", "stopped", "error"],
  starting: ["running", "stopped", "error"],
  running: ["pausing", "paused", "resuming", "stopped", "error"],
  pausing: ["paused", "running", "stopped", "error"],
  paused: ["resuming", "stopped", "error"],
  resuming: ["running", "paused", "stopped", "error"],
  stopped: ["resuming"],
  error: ["stopped"],
};

export function canTransition(from: SandboxStatus, to: SandboxStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** The statuses from which `to` may be reached: the guard of a compare-and-set. */
export function predecessors(to: SandboxStatus): SandboxStatus[] {
  return SANDBOX_STATUSES.filter((from) => canTransition(from, to));
}

/** Throws `invalid_state` unless the transition is legal. */
export function assertTransition(id: string, from: SandboxStatus, to: SandboxStatus): void {
  if (!canTransition(from, to)) {
    throw new WrennError("invalid_state", `sandbox ${id} is ${from}; it cannot become ${to}`);
  }
}
