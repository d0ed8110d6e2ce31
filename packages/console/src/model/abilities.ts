// What can be done with a sandbox in each status: what the service would refuse is not offered.
import type { SandboxStatus } from "@wrenn/core";

export type Action = "exec" | "pause" | "resume" | "fork" | "snapshot" | "restore" | "ping" | "destroy";

const ALLOWED: Readonly<Record<Action, readonly SandboxStatus[]>> = {
  exec: ["running"],
  pause: ["running"],
  // What ended unasked may have left its disk; the service says when it has not.
  resume: ["paused", "stopped"],
  fork: ["running"],
  snapshot: ["running", "paused"],
  restore: ["running", "paused"],
  ping: ["running"],
  destroy: ["pending", "starting", "running", "pausing", "paused", "resuming", "error"],
};

export function can(action: Action, status: SandboxStatus): boolean {
  return ALLOWED[action].includes(status);
}

/** Whether the status is about to change by itself, so that looking again soon pays. */
export function isMoving(status: SandboxStatus): boolean {
  return ["pending", "starting", "pausing", "resuming"].includes(status);
}

/** Whether nothing is left of it but a record. */
export function isOver(status: SandboxStatus): boolean {
  return status === "stopped";
}
