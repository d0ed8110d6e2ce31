// What the reconciler does about a difference between the database and a host's live list. Pure.
import { isSandboxId, type SandboxStatus } from "@wrenn/core";
import type { ReconcileRow } from "../db/queries/sandbox-reconcile.ts";

/** A sandbox as its host lists it. */
export interface LiveSandbox {
  id: string;
  status: string;
  error: string;
  /** Empty: none. */
  hostIp: string;
  diskMb: number;
  /** By its host's clock. */
  createdAtUnix: bigint;
  timeoutSec: number;
  ttlMode: string;
  /** 0: never. */
  expiresAtUnixMs: bigint;
}

/** One status change; the path leads over every status that the state machine asks for. */
export interface Correction {
  row: ReconcileRow;
  path: readonly SandboxStatus[];
  /** Null: what was said of it is over. */
  error?: string | null;
  /** What runs, of a sandbox that turns out to. */
  running?: LiveSandbox;
  /** Whether the host is told to destroy what is left there: it never came to be. */
  destroy: boolean;
}

export const GONE = "the virtual machine is no longer on its host";
export const INTERRUPTED = "its start was interrupted";
const FAILED = "the host reports a failure";

/**
 * Corrections for the rows of one host. The rows were read before the live list, so a running row that is not
 * on it has lost its machine. Unsettled rows that somebody is working on are left to them: `isAttended` says so.
 */
export function planCorrections(
  rows: readonly ReconcileRow[],
  live: ReadonlyMap<string, LiveSandbox>,
  isAttended: (row: ReconcileRow) => boolean,
): Correction[] {
  return rows.flatMap((row) => correction(row, live.get(row.id), isAttended) ?? []);
}

/** Machines that a host holds and no row knows; they are candidates for destruction. */
export function planStrays(
  live: Iterable<string>,
  known: ReadonlySet<string>,
  isInFlight: (id: string) => boolean,
): string[] {
  // A name that is no id of ours is none of our business.
  return [...live].filter((id) => isSandboxId(id) && !known.has(id) && !isInFlight(id));
}

/** What to do about a row that has ended, or is broken, whose sandbox its host has whole. */
export function planReturn(row: ReconcileRow, live: LiveSandbox | undefined): Correction | undefined {
  if (live?.status !== "running" && live?.status !== "paused") return undefined;
  const path = ["resuming", live.status] as const;
  return {
    row,
    path: row.status === "error" ? ["stopped", ...path] : path,
    error: null,
    ...(live.status === "running" && { running: live }),
    destroy: false,
  };
}

function correction(
  row: ReconcileRow,
  live: LiveSandbox | undefined,
  isAttended: (row: ReconcileRow) => boolean,
): Correction | undefined {
  switch (row.status) {
    case "running":
      if (!live) return { row, path: ["stopped"], error: GONE, destroy: false };
      return live.status === "running" ? undefined : asListed(row, live);
    case "paused":
      // Some hosts do not list what is paused. A resume whose answer was lost may have brought it back.
      return !live || live.status === "paused" ? undefined : asListed(row, live);
    case "pending":
    case "starting":
      if (isAttended(row)) return undefined;
      return { row, path: ["stopped"], error: INTERRUPTED, destroy: true };
    case "pausing":
    case "resuming":
      if (isAttended(row)) return undefined;
      // Nothing is lost by calling it paused: had its machine died, the host would report that too.
      return live ? asListed(row, live) : { row, path: ["paused"], destroy: false };
    default:
      return undefined;
  }
}

/** The host's word for it, when that is a settled status. */
function asListed(row: ReconcileRow, live: LiveSandbox): Correction | undefined {
  const { status, error } = live;
  switch (status) {
    case "running":
      return {
        row,
        path: row.status === "paused" ? ["resuming", "running"] : ["running"],
        running: live,
        destroy: false,
      };
    case "paused":
      return { row, path: ["paused"], destroy: false };
    case "stopped":
      return { row, path: ["stopped"], error: error || GONE, destroy: false };
    case "error":
      return { row, path: ["error"], error: error || FAILED, destroy: false };
    default:
      // On its way: the next round will see where to.
      return undefined;
  }
}
