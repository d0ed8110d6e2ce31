// What the cache holds is complete from the moment it has its name, and never changes afterwards.
import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { renameSynced, syncPath } from "@wrenn/linux";

/**
 * Gives something finished, a file or a directory of files on the same file system, its place in the cache: files
 * read-only, everything on disk, then renamed.
 */
export async function publish(from: string, to: string): Promise<void> {
  await settle(from);
  await renameSynced(from, to);
}

async function settle(path: string): Promise<void> {
  const stats = await lstat(path);
  if (stats.isDirectory()) {
    for (const name of await readdir(path)) await settle(join(path, name));
    await chmod(path, 0o755);
  } else if (stats.isFile()) {
    await chmod(path, 0o444);
  } else return;
  await syncPath(path);
}
