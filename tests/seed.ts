// What the files of a run share: one booted template, with which a data directory begins instead of booting one of its
// own, databases that have been made and migrated, and compiled code, since each file is a process that would begin with
// the TypeScript compiler.
import { spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Names the directory that the files of a run share; without it each platform boots its template itself. */
const VARIABLE = "WRENN_TEST_SEED";
/**
 * The directories of a data directory that hold templates. Their files are replaced, never written again, so a link is as
 * good as a copy.
 */
const PARTS = ["images", "snapshots", "templates"];

/** Makes the directory for a run, and what removes it. */
export function shareSeed(): { directory: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "wrenn-seed-"));
  process.env[VARIABLE] = directory;
  process.env["NODE_COMPILE_CACHE"] ??= join(directory, "code");
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Puts the template into a data directory that no host agent has used yet, if there is one already. */
export function plant(dataDir: string): void {
  const seed = readySeed();
  if (seed === undefined || !existsSync(seed)) return;
  try {
    linkParts(seed, dataDir);
  } catch (error) {
    // On another file system it is a copy, which is still quicker than a boot.
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    for (const part of PARTS) {
      rmSync(join(dataDir, part), { recursive: true, force: true });
      copyTree(join(seed, part), join(dataDir, part));
    }
  }
}

/** Takes the templates of a data directory for those that come, if it can: without it they boot their own. The first one counts. */
export function harvest(dataDir: string): void {
  const seed = readySeed();
  if (seed === undefined || existsSync(seed)) return;
  const scratch = mkdtempSync(`${seed}-`);
  try {
    linkParts(dataDir, scratch);
    renameSync(scratch, seed);
  } catch {
    // Another file was quicker, or something has gone that was there.
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * A directory that the files of a run share, for copying from; the first that asks makes it. Two that ask at once make it
 * twice, and one is kept. Undefined outside a run.
 */
export async function shared(
  name: string,
  make: (directory: string) => Promise<void>,
): Promise<string | undefined> {
  const run = process.env[VARIABLE];
  if (run === undefined) return undefined;
  const directory = join(run, name);
  if (existsSync(directory)) return directory;
  const scratch = mkdtempSync(`${directory}-`);
  try {
    await make(scratch);
    if (!existsSync(directory)) renameSync(scratch, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return directory;
}

/** Copies a tree with owners and modes to a path where nothing is. */
export function copyTree(from: string, to: string): void {
  const { status, stderr } = spawnSync("cp", ["-a", "--reflink=auto", "-T", "--", from, to], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cp ended with ${status}: ${stderr}`);
}

function readySeed(): string | undefined {
  const directory = process.env[VARIABLE];
  return directory === undefined ? undefined : join(directory, "ready");
}

function linkParts(from: string, to: string): void {
  for (const part of PARTS) linkTree(join(from, part), join(to, part));
}

function linkTree(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else linkSync(source, target);
  }
}
