// Whether something failed because the disk of the data directory is full, and the error that says so.
import { statfs } from "node:fs/promises";
import { MIB, WrennError } from "@wrenn/core";

const CODES = new Set(["ENOSPC", "EDQUOT"]);

/** A VMM that cannot write its state says so in words alone. With less than this, in bytes, that is taken for the reason. */
const FULL_BELOW = MIB;

/**
 * The failure itself, or `no_space` with the failure as its cause: when an errno says so, or when it is otherwise
 * unexplained and the disk is full. `what` was attempted.
 */
export async function explainDiskFull(dataDir: string, reason: unknown, what: string): Promise<unknown> {
  const code = reason instanceof WrennError ? reason.code : "internal";
  if (code !== "internal" && code !== "unavailable") return reason;
  if (!hasErrno(reason) && (await freeBytes(dataDir)) >= FULL_BELOW) return reason;
  return new WrennError("no_space", `${what}: this host's disk is full; delete snapshots or sandboxes`, {
    cause: reason,
  });
}

function hasErrno(reason: unknown): boolean {
  for (let error = reason, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth++) {
    if ("code" in error && typeof error.code === "string" && CODES.has(error.code)) return true;
  }
  return false;
}

async function freeBytes(dataDir: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(dataDir);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
