// Walking a directory tree that may hold any symbolic links.
import { readdir } from "node:fs/promises";
import { join } from "node:path";

export interface TreeEntry {
  /** Relative to the root of the walk. */
  path: string;
  isDirectory: boolean;
}

/**
 * Everything below a directory, parents before what they hold, in the order of code units. Links are named, never
 * followed (`readdir` with `recursive` follows them, and a link in a root file system may lead to the host's files).
 */
export async function walk(root: string, below = ""): Promise<TreeEntry[]> {
  const found: TreeEntry[] = [];
  const entries = await readdir(join(root, below), { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(below, entry.name);
    found.push({ path, isDirectory: entry.isDirectory() });
    if (entry.isDirectory()) found.push(...(await walk(root, path)));
  }
  return found;
}
