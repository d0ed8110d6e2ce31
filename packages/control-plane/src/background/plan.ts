// What the reconciler does about a difference between the database and a host's live list. Pure.
import { isSandboxId, type SandboxStatus } from "@wrenn/core";
import type { ReconcileRow } from "../db/queries/sandbox-reconcile.ts";

/** A sandbox as its host lists it. */
export interface LiveSandbox {
  id: string;
  status: string;
  error: string;
}

/** One status change; the path leads over every status that the state machine asks for. */
export interface Correction {
  row: ReconcileRow;
  path: readonly SandboxStatus[];
  error?: string;
  /** Whether the host is told to destroy what is left there. */
  destroy: boolean;
}

export const GONE = "the virtual machine is no longer on its host";
export const INTERRUPTED = "its start was interrupted";

/**
 * Corrections for the rows of one host. The rows were read before the live list, so a running row that is not
 * on it has lost its machine. Unsettled rows that somebody is working on are left to them.
 */
export function planCorrections(
  rows: readonly ReconcileRow[],
  live: ReadonlyMap<string, LiveSandbox>,
  isInFlight: (id: string) => boolean,
): Correction[] {
  return rows.flatMap((row) => correction(row, live.get(row.id), isInFlight(row.id)) ?? []);
}

/** Machines that a host runs and no row knows; they are candidates for destruction. */
export function planStrays(
  live: Iterable<string>,
  known: ReadonlySet<string>,
  isInFlight: (id: string) => boolean,
): string[] {
  // A name that is no id of ours is none of our business.
  return [...live].filter((id) => isSandboxId(id) && !known.has(id) && !isInFlight(id));
}

function correction(
  row: ReconcileRow,
  live: LiveSandbox | undefined,
  inFlight: boolean,
): Correction | undefined {
  switch (row.status) {
    case "running":
      return ofRunning(row, live);
    case "paused":
      // Absent is what is expected; a resume whose answer was lost may have brought it back.
      return live?.status === "running" ? { row, path: ["resuming", "running"], destroy: false } : undefined;
    case "pending":
    case "starting":
      if (inFlight || !row.orphaned) return undefined;
      return { row, path: ["stopped"], error: INTERRUPTED, destroy: true };
    case "pausing":
    case "resuming":
      if (inFlight || !row.orphaned) return undefined;
      return { row, path: [live?.status === "running" ? "running" : "paused"], destroy: false };
    default:
      return undefined;
  }
}

function ofRunning(row: ReconcileRow, live: LiveSandbox | undefined): Correction | undefined {
  if (!live) return { row, path: ["stopped"], error: GONE, destroy: false };
  if (live.status === "paused") return { row, path: ["paused"], destroy: false };
  if (live.status === "error")
    return { row, path: ["error"], error: live.error || "the host reports a failure", destroy: false };
  return undefined;
}
