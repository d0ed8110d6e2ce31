// The one way in which something gets into the cache: made once, under a lock, in a directory of its own.
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { acquireLock } from "./lock.ts";

export interface CachedOptions {
  cacheDir: string;
  /** Path of the finished thing below `cacheDir`. Names its lock and its scratch directory too. */
  name: string;
  signal?: AbortSignal | undefined;
}

/**
 * The path of something in the cache. When it is not there, `make` is called with an empty scratch directory, on the
 * same file system, and the path that it has to publish to; nobody else makes the same thing meanwhile, and who waited
 * finds it done. The scratch directory is removed afterwards; one that a killed build left is removed before.
 */
export async function cached(
  options: CachedOptions,
  make: (work: { scratch: string; path: string }) => Promise<void>,
): Promise<string> {
  const path = join(options.cacheDir, options.name);
  if (await exists(path)) return path;
  const flat = options.name.replaceAll("/", "_");
  await using _lock = await acquireLock(join(options.cacheDir, "locks", flat), options.signal);
  if (await exists(path)) return path;
  const scratch = join(options.cacheDir, "work", flat);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  try {
    await make({ scratch, path });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return path;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw reason;
  }
}
