// Debian packages as files: downloaded by apt (which checks their signatures) into the cache, unpacked, not installed.
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { type CommandError, run } from "@wrenn/linux";
import { cached } from "../cache/cached.ts";
import { publish } from "../cache/publish.ts";
import { type BuildOptions, step } from "../progress.ts";

/** What Debian allows as a package name (Policy 5.6.1). */
export const PACKAGE_NAME: RegExp = /^[a-z0-9][a-z0-9+.-]*$/;

/** A package on disk. */
export interface DebianPackage {
  name: string;
  /** Version as in the file's name: without what would not fit there. */
  version: string;
  path: string;
}

const DOWNLOAD_TIMEOUT_MS = 300_000;

/**
 * The package of that name for this machine's release. A version that is in the cache is used as long as it is there, so
 * that a machine without network can go on; remove `debs/` from the cache to have newer ones.
 */
export async function fetchPackage(name: string, options: BuildOptions): Promise<DebianPackage> {
  assertPackageName(name);
  const dir = await cached({ ...options, name: `debs/${name}` }, ({ scratch, path }) =>
    step(options, `download ${name}`, async () => {
      const incoming = join(scratch, "deb");
      await mkdir(incoming, { mode: 0o755 });
      await withFreshLists(options.signal, () => download(name, incoming, options.signal));
      await soleDeb(incoming);
      await publish(incoming, path);
    }),
  );
  const { file, version } = await soleDeb(dir);
  return { name, version, path: join(dir, file) };
}

/** Names that a package depends on, in the order of its control file; of alternatives the first. */
export async function dependencies(name: string, signal?: AbortSignal): Promise<string[]> {
  assertPackageName(name);
  const { stdout } = await withFreshLists(signal, () =>
    run(["apt-cache", "show", "--no-all-versions", name], { timeoutMs: 60_000, signal }),
  );
  return parseDepends(stdout);
}

/** The names in the `Depends` field of a control paragraph. */
export function parseDepends(paragraph: string): string[] {
  const field = /^Depends: (.*)$/m.exec(paragraph)?.[1] ?? "";
  return field
    .split(",")
    .map((clause) => clause.trim().split(/[\s|(:]/, 1)[0] ?? "")
    .filter((name) => PACKAGE_NAME.test(name));
}

/** Unpacks a package's files below a directory. Its scripts are not run. */
export async function unpack(deb: DebianPackage, into: string, signal?: AbortSignal): Promise<void> {
  await run(["dpkg-deb", "--extract", deb.path, into], { timeoutMs: 120_000, signal });
}

/** A machine whose package lists are missing or out of date is the common reason for a failure: tries once more. */
async function withFreshLists<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (reason) {
    signal?.throwIfAborted();
    if ((reason as CommandError).reason !== "exit") throw reason;
    await run(["apt-get", "update", "-q"], { timeoutMs: DOWNLOAD_TIMEOUT_MS, signal });
    return await work();
  }
}

/** Downloads as root: the user that apt would otherwise switch to cannot write into a private cache. */
async function download(name: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  await run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", name], {
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    cwd: into,
    signal,
  });
}

async function soleDeb(dir: string): Promise<{ file: string; version: string }> {
  const [file, ...others] = (await readdir(dir)).filter((entry) => entry.endsWith(".deb"));
  const version = file?.split("_")[1];
  if (file === undefined || version === undefined || others.length > 0) {
    throw new WrennError("internal", `${dir} should hold one Debian package; remove it and try again`);
  }
  return { file, version: decodeURIComponent(version) };
}

function assertPackageName(name: string): void {
  if (!PACKAGE_NAME.test(name))
    throw new WrennError("invalid_argument", `"${name}" cannot be a Debian package`);
}
