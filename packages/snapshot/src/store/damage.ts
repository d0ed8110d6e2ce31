// What it is called when saved bytes are not there any more, or are not what was written.
import { WrennError } from "@wrenn/core";

/** ENOENT, EIO, EBADMSG (a checksum of ext4's) and EUCLEAN (its structures): a disk or a file system, not this process. */
const DISK_FAILURES = new Set([2, 5, 74, 117]);

/** A `snapshot_damaged`: nothing continues from it. */
export function damaged(id: string, what: string, cause?: unknown): WrennError {
  return new WrennError("snapshot_damaged", `snapshot ${id} is damaged: ${what}`, { cause });
}

/** The failure to read a file of a snapshot, as `snapshot_damaged` where its disk is the reason. */
export function readFailure(reason: unknown, id: string, name: string): unknown {
  const { errno } = reason as NodeJS.ErrnoException;
  if (errno === undefined || !DISK_FAILURES.has(Math.abs(errno))) return reason;
  return damaged(id, `${name} cannot be read`, reason);
}
