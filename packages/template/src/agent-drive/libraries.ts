// The shared libraries of the agent drive, so that its programs run on any root file system, also one without glibc.
import { copyFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { run } from "@wrenn/linux";

/** Name of the dynamic loader below the drive's `lib/`. */
export const LOADER = "ld-linux-x86-64.so.2";

/** Packages and the files that are taken from them, as paths in the package. */
export const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  libc6: ["ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1"],
  libext2fs2: ["libe2p.so.2", "libext2fs.so.2"],
  "libcom-err2": ["libcom_err.so.2"],
};

/** Directory of a package's libraries. */
export const LIBRARY_DIR = "lib/x86_64-linux-gnu";

/** Copies the libraries out of unpacked packages. */
export async function copyLibraries(unpacked: (name: string) => string, into: string): Promise<void> {
  for (const [name, files] of Object.entries(LIBRARIES)) {
    for (const file of files) await copyFile(join(unpacked(name), LIBRARY_DIR, file), join(into, file));
  }
}

/**
 * Lets the drive's own loader find what a program needs.
 *
 * @throws `internal` naming what would be taken from elsewhere, which a guest may not have.
 */
export async function assertSelfContained(
  program: string,
  libraryDir: string,
  signal?: AbortSignal,
): Promise<void> {
  const { stdout } = await run(
    [join(libraryDir, LOADER), "--inhibit-cache", "--library-path", libraryDir, "--list", program],
    { timeoutMs: 30_000, signal },
  );
  const foreign = foreignLibraries(stdout, libraryDir);
  if (foreign.length > 0) {
    throw new WrennError(
      "internal",
      `${basename(program)} needs what is not on the agent drive: ${foreign.join(", ")}`,
    );
  }
}

/** Lines of the loader's list (`NAME => PATH (ADDRESS)`) that lead out of a directory. The vDSO has no path. */
export function foreignLibraries(list: string, libraryDir: string): string[] {
  return list
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => {
      const path = /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1];
      return path === undefined ? line.includes("not found") : !path.startsWith(`${libraryDir}/`);
    });
}
