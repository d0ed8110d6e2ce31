// Size and checksum of a file.
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { SnapshotFile } from "../manifest/manifest.ts";
import { pageBuffers } from "../pages/page-buffers.ts";

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
