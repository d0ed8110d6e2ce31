// Reading whole files once, with their size and checksum.
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { MIB } from "@wrenn/core";
import type { SnapshotFile } from "../manifest/manifest.ts";
import { pageBuffers } from "./page-buffers.ts";

/** Read at once while a memory is read; between two such reads other work gets its turn. */
const PIECE_BYTES = MIB;

/** Reads the whole file once, 2 MiB at a time. */
export async function fileSum(path: string, signal?: AbortSignal): Promise<SnapshotFile> {
  await using file = await open(path, "r");
  const buffer = pageBuffers.take();
  try {
    const sum = { bytes: 0, crc32: 0 };
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, sum.bytes);
      if (bytesRead === 0) return sum;
      sum.crc32 = crc32(buffer.subarray(0, bytesRead), sum.crc32);
      sum.bytes += bytesRead;
    }
  } finally {
    pageBuffers.give(buffer);
  }
}

/**
 * The same, showing each piece of at most 1 MiB and where it lies, `bytes`; what it is shown in is overwritten afterwards.
 * Whether it is what was written is known at the end only. Reads are synchronous, as all of memory are: see `BuildFiles`.
 */
export async function readThrough(
  path: string,
  look: (piece: Buffer, at: number) => void,
  signal?: AbortSignal,
): Promise<SnapshotFile> {
  const file = openSync(path, "r");
  const buffer = pageBuffers.take();
  try {
    const sum = { bytes: 0, crc32: 0 };
    for (;;) {
      signal?.throwIfAborted();
      const count = readSync(file, buffer, 0, PIECE_BYTES, sum.bytes);
      if (count === 0) return sum;
      const piece = buffer.subarray(0, count);
      sum.crc32 = crc32(piece, sum.crc32);
      look(piece, sum.bytes);
      sum.bytes += count;
      await setImmediate();
    }
  } finally {
    pageBuffers.give(buffer);
    closeSync(file);
  }
}
