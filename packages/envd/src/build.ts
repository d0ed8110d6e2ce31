// Compiling the agent into one executable.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";

const KERNELS = join(import.meta.dirname, "interpreter/kernels");

const run = promisify(execFile);

/** How the agent becomes one script. */
const BUNDLE = [
  join(import.meta.dirname, "main.ts"),
  "--target=bun",
  "--minify",
  "--define",
  "WRENN_ENVD_COMPILED=true",
];

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
    await run(bunExecutable(), ["build", ...BUNDLE, "--compile", "--bytecode", "--outfile", built], {
      cwd: import.meta.dirname,
      ...(signal === undefined ? {} : { signal }),
    });
    await rename(built, outFile);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Room for the agent's bundle, `bytes`; it has 0.3 MB. */
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;

/**
 * Names what {@link buildEnvd} makes, in a tenth of the time: SHA-256, 64 hex digits, over the agent as one script, the
 * programs of the code interpreter, and what compiles and runs it. The same key is the same bytes.
 */
export async function envdKey(signal?: AbortSignal): Promise<string> {
  const bundled = await run(bunExecutable(), ["build", ...BUNDLE], {
    cwd: import.meta.dirname,
    encoding: "buffer",
    maxBuffer: MAX_BUNDLE_BYTES,
    ...(signal === undefined ? {} : { signal }),
  });
  const hash = createHash("sha256").update(`${bunVersion()} ${process.arch}\n`).update(bundled.stdout);
  const entries = await readdir(KERNELS, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && isSource(entry.parentPath))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  for (const file of files) {
    const content = await readFile(file);
    hash.update(`\n${relative(KERNELS, file)} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

/** What Python compiles beside them on a developer's machine depends on that machine. */
function isSource(path: string): boolean {
  return basename(path) !== "__pycache__";
}

/** Bun's executable, from the npm package of that name. */
export function bunExecutable(): string {
  return join(dirname(bunManifest()), "bin", "bun.exe");
}

function bunVersion(): string {
  return (JSON.parse(readFileSync(bunManifest(), "utf8")) as { version: string }).version;
}

function bunManifest(): string {
  return createRequire(import.meta.url).resolve("bun/package.json");
}
