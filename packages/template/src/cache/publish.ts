// What the cache holds is complete from the moment it has its name, and never changes afterwards.
import { chmod, lstat, open, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Gives something finished, a file or a directory of files on the same file system, its place in the cache: files
 * read-only, everything on disk, then renamed.
 */
export async function publish(from: string, to: string): Promise<void> {
  await settle(from);
  await rename(from, to);
  await sync(dirname(to));
}

async function settle(path: string): Promise<void> {
  const stats = await lstat(path);
  if (stats.isDirectory()) {
    for (const name of await readdir(path)) await settle(join(path, name));
    await chmod(path, 0o755);
  } else if (stats.isFile()) {
    await chmod(path, 0o444);
  } else return;
  await sync(path);
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}
