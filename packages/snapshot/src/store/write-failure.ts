// What a failure to write a snapshot means.
import { WrennError } from "@wrenn/core";

/** `no_space` when the disk, a quota or a file's size limit is used up. */
export function writeFailure(reason: unknown, what: string): unknown {
  const code = (reason as NodeJS.ErrnoException | null)?.code;
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return reason;
  return new WrennError("no_space", `${what}: this host's disk is full; delete snapshots or sandboxes`, {
    cause: reason,
  });
}
