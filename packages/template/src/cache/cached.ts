// The one way in which something gets into the cache: made once, beside it, and published when it is finished.
import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ScratchOptions, withScratch } from "./scratch.ts";

/**
 * The path of something in the cache, `name` below `cacheDir`. When it is not there, `make` is called with a scratch
 * directory and the path that it has to publish to; nobody else makes the same thing meanwhile, and who waited finds it
 * done.
 */
export async function cached(
  options: ScratchOptions,
  make: (work: { scratch: string; path: string }) => Promise<void>,
): Promise<string> {
  const path = join(options.cacheDir, options.name);
  if (await exists(path)) return path;
  await withScratch(options, async (scratch) => {
    if (await exists(path)) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await make({ scratch, path });
  });
  return path;
}

/** Whether a path names something. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw reason;
  }
}
