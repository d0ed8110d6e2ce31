// Whether this host can keep disks as device-mapper snapshots: tried, because a driver that is listed may still refuse.
import { mkdtemp, open, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { MIB, Scope } from "@wrenn/core";
import { run } from "../run/run.ts";
import { Origins } from "./origins.ts";
import { createSnapshot, removeSnapshot, snapshotStatus } from "./snapshot.ts";

/** Of the names of directories in which it is tried; what a process that was killed has left is found by it. */
export const TRIAL_PREFIX = ".dm-trial-";

/** Makes a snapshot of a small file in a directory, and removes it. Undefined when that worked, else why it did not. */
export async function tryDeviceMapper(options: {
  prefix: string;
  directory: string;
}): Promise<string | undefined> {
  try {
    // Without this command's modules nothing else needs to be tried; with them it changes nothing.
    await run(["dmsetup", "version"], { timeoutMs: 10_000 });
    await tryOnce(options);
    return undefined;
  } catch (reason) {
    return reason instanceof Error ? reason.message : String(reason);
  }
}

async function tryOnce({ prefix, directory }: { prefix: string; directory: string }): Promise<void> {
  await using scope = new Scope();
  const dir = await scope.take(
    "directory",
    async () => mkdtemp(join(await realpath(directory), TRIAL_PREFIX)),
    (made) => rm(made, { recursive: true, force: true }),
  );
  const image = join(dir, "image");
  await using file = await open(image, "wx", 0o600);
  await file.truncate(MIB);
  const origins = new Origins(prefix);
  // Larger than the image, so that each kind of target is tried.
  const origin = await scope.take(
    "origin",
    () => origins.acquire(image, 2 * MIB),
    (taken) => origins.release(taken),
  );
  // Not the name of one that was killed in the middle of it; that is swept with whatever else of the block is nobody's.
  const snapshot = { name: `${prefix}trial-${process.pid}`, cow: join(dir, "cow") };
  await scope.take(
    "snapshot",
    () => createSnapshot(snapshot, origin),
    () => removeSnapshot(snapshot),
  );
  const { state } = await snapshotStatus(snapshot.name);
  if (state !== "active") throw new Error(`a new snapshot is ${state}`);
}
