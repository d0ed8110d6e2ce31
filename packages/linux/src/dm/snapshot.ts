// Persistent snapshots: a device that begins as its origin, and a file that holds what was written since.
import { type FileHandle, open, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { Scope, WrennError } from "@wrenn/core";
import { run } from "../run/run.ts";
import {
  createDevice,
  devicePath,
  deviceStatus,
  deviceStatuses,
  removeDevice,
  resumeDevice,
  suspendDevice,
} from "./device.ts";
import { attachLoop, detachLoop, loopsBelow } from "./loop.ts";
import type { Origin } from "./origins.ts";
import {
  CHUNK_BYTES,
  cowBytes,
  parseSnapshotStatus,
  SECTOR_BYTES,
  type SnapshotStatus,
  snapshotTable,
} from "./table.ts";

/** A snapshot that is to be, or is: its name, which carries whose it is, and its copy-on-write file. */
export interface Snapshot {
  name: string;
  cow: string;
}

/** Copying a disk of 64 GiB on a slow machine. */
const COPY_TIMEOUT_MS = 30 * 60_000;

/** Makes a new snapshot with an empty file, which must not exist. Returns the device's path. */
export async function createSnapshot(snapshot: Snapshot, origin: Origin): Promise<string> {
  await using file = await open(snapshot.cow, "wx", 0o600);
  await file.truncate(cowBytes(origin.bytes));
  return await openSnapshot(snapshot, origin);
}

/**
 * Makes a device of a file that an earlier device has written, or of a copy of it.
 *
 * @throws `invalid_argument` when the file is no copy-on-write file, or one for another size of origin.
 */
export async function restoreSnapshot(snapshot: Snapshot, origin: Origin): Promise<string> {
  await using file = await open(snapshot.cow, "r");
  await assertCow(file, snapshot.cow, origin);
  return await openSnapshot(snapshot, origin);
}

/**
 * Removes the device and what is under it; the file stays. Whoever has used the device has ended by then: one that stays
 * in use is an error. Already gone is success.
 */
export async function removeSnapshot(snapshot: Snapshot): Promise<void> {
  await removeDevice(snapshot.name);
  const directory = await realpath(dirname(snapshot.cow)).catch(() => undefined);
  if (directory === undefined) return;
  const name = snapshot.cow.slice(dirname(snapshot.cow).length + 1);
  for (const loop of loopsBelow(directory)) if (loop.file === `${directory}/${name}`) await detachLoop(loop);
}

/** How full the snapshots of this machine are, or that they are lost, by name. */
export async function snapshotStatuses(): Promise<Map<string, SnapshotStatus>> {
  const lines = await deviceStatuses("snapshot");
  return new Map([...lines].map(([name, line]) => [name, parseSnapshotStatus(line)]));
}

/** How full it is, or that it is lost. */
export async function snapshotStatus(name: string): Promise<SnapshotStatus> {
  return parseSnapshotStatus(await deviceStatus(name));
}

/**
 * Runs `work` while nothing is written to a snapshot, whose file then holds all that was written before: the moment to
 * copy it, since a snapshot of a snapshot does not exist. `device` has its own cache, which is written out first.
 */
export async function whileSuspended<T>({ name }: Snapshot, work: () => Promise<T>): Promise<T> {
  await using device = await open(await devicePath(name), "r");
  await device.sync();
  await suspendDevice(name);
  try {
    return await work();
  } finally {
    await resumeDevice(name);
  }
}

/** Writes all that the device holds to a new file, an image that needs no other. It is on disk when this returns. */
export async function flattenSnapshot(snapshot: Snapshot, to: string): Promise<void> {
  await copySparse(await devicePath(snapshot.name), to);
  await using file = await open(to, "r");
  await file.sync();
}

/** Copies a file or a device; what is zero takes no space. The copy need not be on disk when this returns. */
export async function copySparse(from: string, to: string): Promise<void> {
  await run(["cp", "--sparse=always", "--reflink=auto", "--", from, to], { timeoutMs: COPY_TIMEOUT_MS });
}

async function openSnapshot({ name, cow }: Snapshot, origin: Origin): Promise<string> {
  await using scope = new Scope();
  const loop = await scope.take(
    "copy-on-write device",
    async () => attachLoop(await realpath(cow), { readOnly: false }),
    detachLoop,
  );
  const table = snapshotTable({ origin: origin.device, cow: loop.device, bytes: origin.bytes });
  const device = await createDevice(name, table);
  scope.move();
  return device;
}

/** The header that the kernel writes: magic number, whether it is valid, version, sectors of a chunk; little-endian. */
async function assertCow(file: FileHandle, path: string, origin: Origin): Promise<void> {
  const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
  const [magic, valid, version, chunk] = [0, 4, 8, 12].map((at) => buffer.readUInt32LE(at));
  const { size } = await file.stat();
  const wrong =
    magic !== 0x70416e53 || version !== 1
      ? "holds no snapshot"
      : valid !== 1
        ? "is of a snapshot that was lost"
        : chunk !== CHUNK_BYTES / SECTOR_BYTES || size !== cowBytes(origin.bytes)
          ? "is of a snapshot of another size"
          : undefined;
  if (wrong !== undefined) throw new WrennError("invalid_argument", `${path} ${wrong}`);
}
