// Compiles the sources of a daemon before it starts, in a process that ends: Node loads its compiler of TypeScript only
// where the code cache lacks something, and a process that has loaded it keeps it, 27 MiB, for as long as it lives.
import { createHash } from "node:crypto";
import { globSync, statSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";

export interface CompileOptions {
  /** The source tree that holds the daemons. */
  sourceRoot: string;
  /** Where the process puts what it compiles; see code-cache.ts. */
  codeCache: string;
  /** Loads the daemon's code, with the daemon's own user and flags (both are part of what names compiled code), and ends. */
  command: readonly [string, ...string[]];
  /** Default: that of this process. */
  env?: Record<string, string>;
  /** Gives up. */
  signal?: AbortSignal;
}

/** Compiling takes one to three seconds. */
const COMPILE_MS = 60_000;

/**
 * Fills the code cache, unless it was filled from the same sources before. Never rejects: what fails here fails again, and
 * is reported, when the daemon starts; a cache that cannot be written costs memory and nothing else.
 */
export async function compileSources(options: CompileOptions): Promise<void> {
  const { sourceRoot, codeCache, command, env, signal } = options;
  const filled = `${codeCache}.sources`;
  const written = `${filled}.${process.pid}`;
  try {
    // A change while they are compiled leaves another name than the next start finds.
    const sources = nameOf(sourceRoot, command);
    if ((await readFile(filled, "utf8").catch(() => "")) === sources) return;
    await run(command, { env, cwd: "/", timeoutMs: COMPILE_MS, signal });
    await writeFile(written, sources, { mode: 0o600 });
    await rename(written, filled);
  } catch {
    await rm(written, { force: true }).catch(() => {});
  }
}

/**
 * Names sources by where they lie, how long they are and when they were changed, and what compiles them: Node and its
 * arguments, whoever runs it.
 */
function nameOf(sourceRoot: string, command: readonly string[]): string {
  const hash = createHash("sha256").update(
    JSON.stringify([process.version, command.slice(command.lastIndexOf(process.execPath))]),
  );
  // 20 ms for a thousand files; one after the other in promises it takes four times as long.
  for (const file of globSync("packages/*/src/**/*.ts", { cwd: sourceRoot }).sort()) {
    const { size, mtimeMs } = statSync(join(sourceRoot, file));
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
