// Compiling the agent into one executable.
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface BuildEnvdOptions {
  /** Where the executable is put. */
  outFile: string;
  signal?: AbortSignal;
}

/**
 * Compiles the agent with its runtime into `outFile` (about 110 MB; needs only glibc). The same sources and the
 * same Bun give the same bytes. Rejects with the compiler's messages.
 */
export async function buildEnvd({ outFile, signal }: BuildEnvdOptions): Promise<void> {
  await run(
    bunExecutable(),
    [
      "build",
      join(import.meta.dirname, "main.ts"),
      "--compile",
      "--target=bun",
      "--minify",
      "--define",
      "WRENN_ENVD_COMPILED=true",
      "--outfile",
      outFile,
    ],
    { cwd: import.meta.dirname, ...(signal === undefined ? {} : { signal }) },
  );
}

/** Bun's executable, from the npm package of that name. */
export function bunExecutable(): string {
  const manifest = createRequire(import.meta.url).resolve("bun/package.json");
  return join(dirname(manifest), "bin", "bun.exe");
}
