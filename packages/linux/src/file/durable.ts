// Files and names that a crash or a power cut leaves as they were or as they are to be.
import { open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What a file is called until it is whole. One that is found later is litter: whoever made it has died. */
const UNFINISHED = ".new";

/** Brings a file, or the names in a directory, to the disk. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** Writes a new file of mode 0600 and brings it to the disk, but not its name. */
export async function writeSynced(path: string, bytes: Uint8Array | string): Promise<void> {
  await using handle = await open(path, "wx", 0o600);
  await handle.writeFile(bytes);
  await handle.sync();
}

/** Writes a file of mode 0600, in place of whatever has its name: the old one stays until the new one is on the disk. */
export async function replaceFile(path: string, bytes: Uint8Array | string): Promise<void> {
  const unfinished = unfinishedName(path);
  try {
    {
      await using handle = await open(unfinished, "w", 0o600);
      await handle.writeFile(bytes);
      await handle.sync();
    }
    await renameSynced(unfinished, path);
  } catch (reason) {
    // On a disk that is full it would take room until somebody writes the same file again.
    await rm(unfinished, { force: true }).catch(() => {});
    throw reason;
  }
}

/** Where a file is made that {@link renameSynced} then gives its name. */
export function unfinishedName(path: string): string {
  return `${path}${UNFINISHED}`;
}

/** Gives something that is on the disk its name. When it resolves, the name is there too. */
export async function renameSynced(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncPath(dirname(to));
}

/** Removes a file for good. Succeeds when there is none. */
export async function removeSynced(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncPath(dirname(path));
}

/** Removes what was never finished in a directory whose owner has just started. Returns the names. */
export async function removeUnfinished(dir: string): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(UNFINISHED));
  for (const name of names) await rm(join(dir, name), { force: true });
  return names;
}
