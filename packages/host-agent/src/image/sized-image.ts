// A root file system image grown on the host, so that guests need not grow it at boot: native speed once, instead of
// seconds under emulation each time.
import { chmod, rm, stat, truncate } from "node:fs/promises";
import { MIB } from "@wrenn/core";
import { renameSynced, run, syncPath, unfinishedName } from "@wrenn/linux";

const TIMEOUT_MS = 120_000;

/**
 * Makes `to` a copy of the image whose file system fills `diskMb` MiB. Copy and result are sparse: growing costs the new
 * block groups' descriptors only. Does nothing when it is there. Only for images that the platform itself has built: the
 * tools run as root.
 */
export async function makeSizedImage(image: string, to: string, diskMb: number): Promise<void> {
  if (await exists(to)) return;
  const temporary = unfinishedName(to);
  try {
    await run(["cp", "--sparse=always", "--reflink=auto", "--", image, temporary], { timeoutMs: TIMEOUT_MS });
    await chmod(temporary, 0o600);
    await truncate(temporary, diskMb * MIB);
    await run(["resize2fs", "-f", temporary], { timeoutMs: TIMEOUT_MS });
    await chmod(temporary, 0o444);
    await syncPath(temporary);
    await renameSynced(temporary, to);
  } catch (reason) {
    await rm(temporary, { force: true });
    throw reason;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
