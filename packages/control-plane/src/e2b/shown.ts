// Which sandboxes E2B's clients see at all: those that run or are paused.
import { type SandboxStatus, WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";

/** Their two states, each with the way there. */
export const STATES = {
  running: ["running", "pausing"],
  paused: ["paused", "resuming"],
} as const satisfies Record<string, readonly SandboxStatus[]>;

/** The sandbox, unless it has ended. Throws `not_found`. */
export function shown(row: SandboxRow): SandboxRow {
  if (row.status !== "stopped") return row;
  throw new WrennError("not_found", `you have no sandbox ${row.id}`);
}
