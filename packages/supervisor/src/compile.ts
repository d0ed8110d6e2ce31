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
  /** The file that says what was compiled last. */
  filled: string;
  /** Compiles them and ends; its arguments are part of what names its result. */
  command: readonly [string, ...string[]];
  /** Default: that of this process. */
  env?: Record<string, string>;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Compiling takes one to three seconds. */
const COMPILE_MS = 60_000;

/**
 * Compiles sources, unless they were compiled by the same command before; whether they are now. Never rejects: a daemon that
 * was not compiled starts nevertheless, and what fails here fails again, and is reported, when it does.
 */
export async function compileSources(options: CompileOptions): Promise<boolean> {
  const { sourceRoot, filled, command, env, signal } = options;
  const written = `${filled}.${process.pid}`;
  try {
    // A change while they are compiled leaves another name than the next start finds.
    const name = nameOf(sourceRoot, command);
    if ((await readFile(filled, "utf8").catch(() => "")) === name) return true;
    await run(command, { env, cwd: "/", timeoutMs: COMPILE_MS, signal });
    await writeFile(written, name, { mode: 0o600 });
    await rename(written, filled);
    return true;
  } catch {
    await rm(written, { force: true }).catch(() => {});
    return false;
  }
}

/** What says which packages there are besides the tree's own: what was asked for, and what was installed. */
const PACKAGES = ["package-lock.json", "node_modules/.package-lock.json"];

/**
 * Names sources by where they lie, how long they are and when they were changed, and what compiles them: Node and its
 * arguments, whoever runs it.
 */
function nameOf(sourceRoot: string, command: readonly string[]): string {
  const hash = createHash("sha256").update(
    JSON.stringify([process.version, command.slice(command.lastIndexOf(process.execPath))]),
  );
  // 20 ms for a thousand files; one after the other in promises it takes four times as long.
  for (const file of [...globSync("packages/*/src/**/*.ts", { cwd: sourceRoot }).sort(), ...PACKAGES]) {
    const found = statSync(join(sourceRoot, file), { throwIfNoEntry: false });
    hash.update(`${file}\0${found?.size}\0${found?.mtimeMs}\n`);
  }
  return hash.digest("hex");
}
