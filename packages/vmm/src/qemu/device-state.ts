// Processors and devices of a machine that stands still: written by QEMU into its own directory, carried out by us.
import { constants } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { MIB, WrennError } from "@wrenn/core";
import { INSIDE } from "./arguments.ts";
import type { QmpSession } from "./session.ts";

/** A machine of two processors and three devices has 14 kB. */
const MAX_BYTES = 16 * MIB;
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
  await session.execute("xen-save-devices-state", args, { timeoutMs: SAVE_TIMEOUT_MS });
  const state = await readUntrusted(inside);
  await writeNew(path, state);
  await rm(inside, { force: true });
}

async function writeNew(path: string, content: Buffer): Promise<void> {
  try {
    await writeFile(path, content, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    if (!exists) await rm(path, { force: true });
    const code = exists ? "already_exists" : "internal";
    throw new WrennError(code, `the saved state could not be written to ${path}`, { cause });
  }
}

/** The VMM may write the directory: the name may lead anywhere and the file be of any kind and size. */
async function readUntrusted(path: string): Promise<Buffer> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > MAX_BYTES)
      throw new Error(`it is no file of at most ${MAX_BYTES} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stat.size), 0, stat.size, 0);
    if (bytesRead === stat.size && buffer.subarray(0, MAGIC.length).toString("latin1") === MAGIC)
      return buffer;
    throw new Error("it is not what QEMU writes");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WrennError("internal", `QEMU's saved state cannot be used: ${why}`, { cause });
  }
}
