// Processors and devices of a machine that stands still: written by QEMU into its own directory, carried out by us.
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { carryOut } from "../saved-file.ts";
import { INSIDE } from "./arguments.ts";
import type { QmpSession } from "./session.ts";

/** First bytes of QEMU's migration stream. */
const MAGIC = "QEVM";
const SAVE_TIMEOUT_MS = 60_000;

/**
 * Writes the state to a new file of mode 0600 at `path`. `xen-save-devices-state` is QEMU's way of leaving out the
 * memory; `live: true` has it write out what it holds of the disks' own tables, and fail when it cannot, which stopping
 * the machine does not report. The machine can go on afterwards.
 */
export async function saveDeviceState(
  session: QmpSession,
  { dir, path }: { dir: string; path: string },
): Promise<void> {
  const inside = join(dir, basename(INSIDE.deviceState));
  await rm(inside, { force: true });
  const args = { filename: INSIDE.deviceState, live: true };
  try {
    await session.execute("xen-save-devices-state", args, { timeoutMs: SAVE_TIMEOUT_MS });
    await carryOut({ from: inside, to: path, vmm: "QEMU", start: MAGIC });
  } catch (reason) {
    // A full disk has taken a part of it.
    await rm(inside, { force: true });
    throw reason;
  }
}
