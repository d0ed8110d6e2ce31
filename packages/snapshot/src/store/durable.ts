// Writing so that a power cut leaves either nothing or the whole.
import { open } from "node:fs/promises";
import { WrennError } from "@wrenn/core";

/** Brings a file, or the names in a directory, to the disk. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** Writes a new file of mode 0600 and brings it to the disk. */
export async function writeSynced(path: string, bytes: Uint8Array | string): Promise<void> {
  await using handle = await open(path, "wx", 0o600);
  await handle.writeFile(bytes);
  await handle.sync();
}

/** What a failure to write means: `no_space` when the disk, a quota or a file's size limit is used up. */
export function writeFailure(reason: unknown, what: string): unknown {
  const code = (reason as NodeJS.ErrnoException | null)?.code;
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return reason;
  return new WrennError("no_space", `${what}: this host's disk is full; delete snapshots or sandboxes`, {
    cause: reason,
  });
}
