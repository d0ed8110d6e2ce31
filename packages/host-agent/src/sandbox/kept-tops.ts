// The tops of a dead machine's life, kept beside the sandbox's record.
import { chown, link, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { syncPath, unfinishedName } from "@wrenn/linux";
import type { RootfsPlace, RootfsStore } from "../rootfs/rootfs-store.ts";
import { lifeDir, type SandboxRecord, sandboxDir } from "./record.ts";

const KEPT_PREFIX = "kept-";
const KEPT = new RegExp(`^${KEPT_PREFIX}\\d+$`);

/**
 * Keeps the tops of a dead machine's life, whose directory is about to go. They keep their names there until then, by which
 * what is held for them is found. May be repeated after a crash half-way. Returns what they are called in the record.
 */
export async function keepTops(
  rootfs: Pick<RootfsStore, "path">,
  dataDir: string,
  record: SandboxRecord,
): Promise<string[]> {
  const { id, life } = record;
  if (!life) return record.kept;
  const dir = lifeDir(dataDir, id, life.number);
  const kept: string[] = [];
  const names = life.tops.map((_, index) => `${KEPT_PREFIX}${index}`);
  for (const [index, top] of life.tops.entries()) {
    const name = names[index] as string;
    if (await keepFile(rootfs.path({ dir }, top), join(sandboxDir(dataDir, id), name))) kept.push(name);
  }
  // The record that names them comes next.
  await syncPath(sandboxDir(dataDir, id));
  // When nothing is there a boot has to say so; a disk without what was written on it is not the sandbox's.
  return kept.length > 0 ? kept : names;
}

/** Names of the tops that a life on what was kept has below its own. */
export function topsOfKept(rootfs: Pick<RootfsStore, "stacks">, { kept }: SandboxRecord): string[] {
  return rootfs.stacks ? kept.map((_, index) => `root-${index}`) : [];
}

/**
 * Puts what was kept under a new life's top. Returns the files, bottom first. A start that fails takes nothing away: where
 * the life has them as tops they are hard links, which belong to the user whose VMM reads them now. Throws `internal` when
 * nothing is there.
 */
export async function linkKept(
  rootfs: Pick<RootfsStore, "stacks">,
  dataDir: string,
  record: SandboxRecord,
  { dir, uid }: Pick<RootfsPlace, "dir" | "uid">,
): Promise<string[]> {
  const kept = record.kept.map((name) => join(sandboxDir(dataDir, record.id), name));
  if (!rootfs.stacks) return [await lastThere(kept, record.id)];
  const files: string[] = [];
  for (const [index, top] of topsOfKept(rootfs, record).entries()) {
    const file = join(dir, top);
    await link(kept[index] as string, file);
    await chown(file, uid, uid);
    files.push(file);
  }
  // The names that are kept go once the new life is on record.
  await syncPath(dir);
  return files;
}

/** The new life holds them now. */
export async function dropKept(dataDir: string, record: SandboxRecord): Promise<void> {
  for (const name of record.kept) await rm(join(sandboxDir(dataDir, record.id), name), { force: true });
}

/** The same for what a crash between the record and {@link dropKept} has left. The record is on disk. */
export async function dropUnnamedKept(dataDir: string, { id, kept }: SandboxRecord): Promise<void> {
  const dir = sandboxDir(dataDir, id);
  const unnamed = (await readdir(dir)).filter((name) => KEPT.test(name) && !kept.includes(name));
  for (const name of unnamed) await rm(join(dir, name), { force: true });
}

/**
 * One more name for a file, in place of whatever had it. A file that is not there changes nothing: it has gone with its
 * directory before a crash, or was never made. Returns whether there is something under that name.
 */
async function keepFile(from: string, to: string): Promise<boolean> {
  const temporary = unfinishedName(to);
  await rm(temporary, { force: true });
  try {
    await link(from, temporary);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    return (await stat(to).catch(() => undefined)) !== undefined;
  }
  await rename(temporary, to);
  // Two names of one file are left as they are by rename(2).
  await rm(temporary, { force: true });
  return true;
}

/** Of tops of which each has all, the newest; one that a freeze was about to make may not be there. */
async function lastThere(files: readonly string[], id: string): Promise<string> {
  for (const file of [...files].reverse()) {
    if (await stat(file).catch(() => undefined)) return file;
  }
  throw new WrennError("internal", `nothing of the disk of sandbox ${id} was kept`);
}
