// What the files of a run share: one booted template, with which a data directory begins instead of booting one of its
// own, and compiled code, since each file is a process that would begin with the TypeScript compiler.
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

/** Makes the directory for a run, which ends with the function that it returns. */
export function shareSeed(): () => void {
  const directory = mkdtempSync(join(tmpdir(), "wrenn-seed-"));
  process.env[VARIABLE] = directory;
  process.env["NODE_COMPILE_CACHE"] ??= join(directory, "code");
  return () => rmSync(directory, { recursive: true, force: true });
}

/** Puts the template into a data directory that no host agent has used yet, if there is one already. */
export function plant(dataDir: string): void {
  const seed = readySeed();
  if (seed === undefined || !existsSync(seed)) return;
  try {
    linkParts(seed, dataDir);
  } catch (error) {
    // Another file system: this one boots its own.
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    for (const part of PARTS) rmSync(join(dataDir, part), { recursive: true, force: true });
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
