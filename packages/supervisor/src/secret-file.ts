// Secrets that are made once and kept in a file that only root reads.
import { link, open, readFile, unlink } from "node:fs/promises";

/**
 * The secret in `path`, made with `make` and written with mode 0600 when there is no such file. Two callers
 * at once get the same one: the file appears complete, or is already there.
 */
export async function secretFile(path: string, make: () => string): Promise<string> {
  const known = await readFile(path, "utf8").catch(absent);
  if (known !== undefined) return known.trim();
  const temporary = `${path}.${process.pid}.new`;
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(`${make()}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await unlink(temporary);
  }
  return (await readFile(path, "utf8")).trim();
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
