// A snapshot's working set on disk. The only file of a snapshot that may appear, change or go later: nothing depends on it.
import { randomBytes } from "node:crypto";
import { copyFile, open, rename, rm, writeFile } from "node:fs/promises";
import type { PageRange } from "@wrenn/core";
import {
  decodeWorkingSet,
  encodeWorkingSet,
  MAX_WORKING_SET_BYTES,
  workingSetOf,
} from "../serve/working-set.ts";
import { writeFailure } from "./write-failure.ts";

/** What was recorded at a path, for a memory of so many pages; nothing when it cannot be read, or is damaged. */
export async function readWorkingSet(path: string, pages: number): Promise<PageRange[]> {
  try {
    await using file = await open(path, "r");
    const bytes = Buffer.alloc(MAX_WORKING_SET_BYTES + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return decodeWorkingSet(bytes.subarray(0, bytesRead), pages) ?? [];
  } catch {
    return [];
  }
}

/** Replaces it at once. Nobody waits for the disk: after a power cut its checksum tells. Throws `no_space`. */
export async function writeWorkingSet(
  path: string,
  touched: Iterable<PageRange>,
  pages: number,
): Promise<void> {
  const fresh = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(fresh, encodeWorkingSet(workingSetOf(touched, pages), pages), {
      mode: 0o600,
      flag: "wx",
    });
    await rename(fresh, path);
  } catch (reason) {
    await rm(fresh, { force: true });
    throw writeFailure(reason, "cannot record what a machine needs first");
  }
}

/** Copies one that is there, if it can be copied. Never rejects. */
export async function copyWorkingSet(from: string, to: string): Promise<void> {
  await copyFile(from, to)
    .catch(() => rm(to, { force: true }))
    .catch(() => {}); // half a copy is damaged, and so nothing
}
