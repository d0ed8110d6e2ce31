// What can be done with a sandbox: what the service would refuse is not offered.
import type { SandboxStatus } from "@wrenn/core";
import type { Sandbox } from "@wrenn/sdk";

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
  destroy: ["pending", "starting", "running", "pausing", "paused", "resuming", "stopped", "error"],
};

/** Nothing can be done with one that was deleted. */
export function can(action: Action, { status, deleted_at }: Pick<Sandbox, "status" | "deleted_at">): boolean {
  return deleted_at === undefined && ALLOWED[action].includes(status);
}

/** Whether the status is about to change by itself, so that looking again soon pays. */
export function isMoving(status: SandboxStatus): boolean {
  return ["pending", "starting", "pausing", "resuming"].includes(status);
}

/** Whether it has ended. Its disk may have been kept. */
export function isOver(status: SandboxStatus): boolean {
  return status === "stopped";
}
