// A place for half-done things that no killed process leaves behind for good.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock } from "./lock.ts";

export interface ScratchOptions {
  cacheDir: string;
  /** What is worked on; one worker at a time among all processes. May hold slashes. */
  name: string;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with an empty directory on the cache's file system, while holding the lock of that name. The directory
 * is removed afterwards; one that a killed process left, before.
 */
export async function withScratch<T>(options: ScratchOptions, work: (dir: string) => Promise<T>): Promise<T> {
  const flat = options.name.replaceAll("/", "_");
  await using _lock = await acquireLock(join(options.cacheDir, "locks", flat), options.signal);
  const dir = join(options.cacheDir, "work", flat);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
