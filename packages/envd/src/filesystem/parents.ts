// Making directories that belong to a user.
import { chownSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

interface Owner {
  uid: number;
  gid: number;
}

/**
 * Makes a directory and the missing ones above it, each owned by the user; those that exist stay as they are.
 * Throws what `mkdir` throws, EEXIST if the last one exists already.
 */
export function makeDirectory(path: string, owner: Owner): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    makeParents(path, owner);
    mkdirSync(path, { mode: 0o755 });
  }
  if (process.geteuid?.() === 0) chownSync(path, owner.uid, owner.gid);
}

/** Makes the missing directories above a path. */
export function makeParents(path: string, owner: Owner): void {
  try {
    makeDirectory(dirname(path), owner);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
