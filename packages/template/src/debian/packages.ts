// Debian packages as files: downloaded by apt (which checks their signatures) into the cache, unpacked, not installed.
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { CommandError, run } from "@wrenn/linux";
import { exists } from "../cache/cached.ts";
import { publish } from "../cache/publish.ts";
import { withScratch } from "../cache/scratch.ts";
import { type BuildOptions, step } from "../progress.ts";

/** A package on disk. */
export interface DebianPackage {
  name: string;
  path: string;
}

/** What Debian allows as a package name (Policy 5.6.1). */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;

const DOWNLOAD_TIMEOUT_MS = 300_000;

/**
 * The packages of those names for this machine's release. A version that is in the cache is used as long as it is there,
 * so that a machine without network can go on; remove `debs/` from the cache to have newer ones.
 */
export async function fetchPackages(
  names: readonly string[],
  options: BuildOptions,
): Promise<DebianPackage[]> {
  const wrong = names.find((name) => !PACKAGE_NAME.test(name));
  if (wrong !== undefined) throw new WrennError("invalid_argument", `"${wrong}" cannot be a Debian package`);
  const dirOf = (name: string) => join(options.cacheDir, "debs", name);
  const missing = () => filterAsync(names, async (name) => !(await exists(dirOf(name))));
  if ((await missing()).length > 0) {
    await withScratch({ ...options, name: "debs" }, async (scratch) => {
      const wanted = await missing();
      await step(options, `download ${wanted.join(" ")}`, () =>
        withFreshLists(options.signal, () => download(wanted, scratch, options.signal)),
      );
      await mkdir(join(options.cacheDir, "debs"), { recursive: true, mode: 0o755 });
      for (const name of wanted) await store(name, scratch, dirOf(name));
    });
  }
  return await Promise.all(names.map(async (name) => ({ name, path: await soleDeb(dirOf(name)) })));
}

/** Names that a package depends on, in the order of its control file; of alternatives the first. */
export async function dependencies(name: string, signal?: AbortSignal): Promise<string[]> {
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
    if (!(reason instanceof CommandError) || reason.reason !== "exit") throw reason;
    await run(["apt-get", "update", "-q"], { timeoutMs: DOWNLOAD_TIMEOUT_MS, signal });
    return await work();
  }
}

/** Downloads as root: the user that apt would otherwise switch to cannot write into a private cache. */
async function download(names: string[], into: string, signal: AbortSignal | undefined): Promise<void> {
  await run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", ...names], {
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    cwd: into,
    signal,
  });
}

/** Moves a downloaded package into a directory of its own; apt names the file NAME_VERSION_ARCHITECTURE.deb. */
async function store(name: string, from: string, to: string): Promise<void> {
  const file = (await readdir(from)).find((entry) => entry.startsWith(`${name}_`) && entry.endsWith(".deb"));
  if (file === undefined) throw new WrennError("internal", `apt-get downloaded no package ${name}`);
  const dir = join(from, name);
  await mkdir(dir);
  await rename(join(from, file), join(dir, file));
  await publish(dir, to);
}

async function soleDeb(dir: string): Promise<string> {
  const [file, ...others] = await readdir(dir);
  if (file === undefined || others.length > 0) {
    throw new WrennError("internal", `${dir} should hold one Debian package; remove it and try again`);
  }
  return join(dir, file);
}

async function filterAsync<T>(values: readonly T[], test: (value: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(values.map(test));
  return values.filter((_, index) => kept[index]);
}
