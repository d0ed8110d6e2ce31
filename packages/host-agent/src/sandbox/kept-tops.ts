// The tops of a dead machine's life, kept beside the sandbox's record.
import { chown, link, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { lifeDir, type SandboxRecord, sandboxDir } from "./record.ts";

/**
 * Takes the tops of a dead machine's life out of its directory, which is about to go. May be repeated after a crash half-way.
 * Returns their names for the record.
 */
export async function keepTops(dataDir: string, record: SandboxRecord): Promise<string[]> {
  const { id, life } = record;
  if (!life) return record.kept;
  const kept: string[] = [];
  for (const top of life.tops) {
    const name = `kept-${kept.length}`;
    try {
      await rename(join(lifeDir(dataDir, id, life.number), top), join(sandboxDir(dataDir, id), name));
    } catch (reason) {
      // Moved before the crash, or never made: the boot that follows shows which.
      if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    }
    kept.push(name);
  }
  return kept;
}

/**
 * Puts what was kept under a new life's top: hard links, so that a start that fails takes nothing away. `uid` is the user
 * whose VMM reads them now.
 */
export async function linkKept(
  dataDir: string,
  record: SandboxRecord,
  { dir, uid }: { dir: string; uid: number },
): Promise<string[]> {
  const tops: string[] = [];
  for (const name of record.kept) {
    const top = `root-${tops.length}`;
    await link(join(sandboxDir(dataDir, record.id), name), join(dir, top));
    await chown(join(dir, top), uid, uid);
    tops.push(top);
  }
  return tops;
}

/** The new life holds them now. */
export async function dropKept(dataDir: string, record: SandboxRecord): Promise<void> {
  for (const name of record.kept) await rm(join(sandboxDir(dataDir, record.id), name), { force: true });
}
