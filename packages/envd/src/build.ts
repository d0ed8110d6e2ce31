// Compiling the agent into one executable.
import { execFile } from "node:child_process";
import { cp, mkdtemp, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const KERNELS = join(import.meta.dirname, "interpreter/kernels");

const run = promisify(execFile);

export interface BuildEnvdOptions {
  /** Where the executable is put. */
  outFile: string;
  /** Where the programs of the code interpreter are put; absent = nowhere. Must not be there yet. */
  kernelsDir?: string;
  signal?: AbortSignal;
}

/**
 * Compiles the agent with its runtime into `outFile` (about 110 MB; needs only glibc). The same sources and the
 * same Bun give the same bytes, wherever they lie. Rejects with the compiler's messages, and leaves no half file.
 */
export async function buildEnvd({ outFile, kernelsDir, signal }: BuildEnvdOptions): Promise<void> {
  if (kernelsDir !== undefined) await cp(KERNELS, kernelsDir, { recursive: true, filter: isSource });
  const scratch = await mkdtemp(join(dirname(outFile), ".envd-build-"));
  try {
    // The executable knows its name, so it is built under one that is always the same.
    const built = join(scratch, "envd");
    // Bytecode halves the time to the first answer: nothing needs to be parsed then.
    const inputs = [join(import.meta.dirname, "main.ts"), "--compile", "--minify", "--bytecode"];
    const constants = ["--define", "WRENN_ENVD_COMPILED=true"];
    await run(bunExecutable(), ["build", ...inputs, ...constants, "--outfile", built], {
      cwd: import.meta.dirname,
      ...(signal === undefined ? {} : { signal }),
    });
    await rename(built, outFile);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What Python compiles beside them on a developer's machine depends on that machine. */
function isSource(path: string): boolean {
  return basename(path) !== "__pycache__";
}

/** Bun's executable, from the npm package of that name. */
export function bunExecutable(): string {
  const manifest = createRequire(import.meta.url).resolve("bun/package.json");
  return join(dirname(manifest), "bin", "bun.exe");
}
