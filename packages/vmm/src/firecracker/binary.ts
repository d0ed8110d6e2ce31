// The Firecracker that this machine has. None comes with the platform: it is the operator's.
import { statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname, isAbsolute } from "node:path";
import { WrennError } from "@wrenn/core";
import { CommandError, run } from "@wrenn/linux";

/** Where the project says how to get it. */
export const FIRECRACKER_GUIDE =
  "https://github.com/firecracker-microvm/firecracker/blob/main/docs/getting-started.md";

/** Names the binary. */
export const FIRECRACKER_VARIABLE = "FIRECRACKER_BIN";

/** Where it is looked for when the variable is not set. */
const USUAL_PLACES = ["/usr/local/bin/firecracker", "/usr/bin/firecracker", "/opt/firecracker/firecracker"];

/** From this one on a snapshot is loaded with `track_dirty_pages` (Firecracker's CHANGELOG.md). */
const OLDEST = [1, 13] as const;
/** The next major version may have another API. */
const MAJOR = 1;

/** inode(7); Node has no name for it. */
const S_ISVTX = 0o1000;

export interface FirecrackerBinary {
  /** Without links. */
  path: string;
  /** `1.16.1` */
  version: string;
  /** Of the saved states that it reads and writes: `10.0.0`. */
  snapshotVersion: string;
}

/** The path in the variable. Throws `invalid_argument` when it depends on where the reader happens to run. */
export function namedFirecracker(env: NodeJS.ProcessEnv): string | undefined {
  const named = env[FIRECRACKER_VARIABLE] || undefined;
  if (named === undefined || isAbsolute(named)) return named;
  throw new WrennError("invalid_argument", `${FIRECRACKER_VARIABLE} must be an absolute path`);
}

/** {@link namedFirecracker}, else the first of the usual places with a file; undefined when there is none. */
export function findFirecracker(env: NodeJS.ProcessEnv): string | undefined {
  const named = namedFirecracker(env);
  if (named !== undefined) return named;
  return USUAL_PLACES.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/**
 * Asks a binary for its version. Throws `unavailable` when it is not there, cannot be run, may be replaced by somebody
 * else than root, or is too old or too new.
 */
export async function inspectFirecracker(named: string): Promise<FirecrackerBinary> {
  const path = await realpath(named).catch((cause: unknown) => {
    throw new WrennError("unavailable", `there is no Firecracker at ${named}; see ${FIRECRACKER_GUIDE}`, {
      cause,
    });
  });
  assertTrusted(path);
  const version = await ask(path, "--version", /^Firecracker v(\d+\.\d+\.\d+)/m);
  assertSupported(path, version);
  return { path, version, snapshotVersion: await ask(path, "--snapshot-version", /^v(\d+\.\d+\.\d+)/m) };
}

/** Throws `unavailable` unless it is a version that this driver knows how to talk to. */
export function assertSupported(path: string, version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major === MAJOR && (major > OLDEST[0] || minor >= OLDEST[1])) return;
  throw new WrennError(
    "unavailable",
    `${path} is Firecracker ${version}; needed is ${OLDEST.join(".")} or later, below ${MAJOR + 1}.0: see ${FIRECRACKER_GUIDE}`,
  );
}

/**
 * Root runs it: neither the file nor a directory on the way to it, without links, may be somebody else's to replace. In a
 * sticky directory nobody replaces what is root's.
 */
function assertTrusted(path: string): void {
  for (let each = path, above = dirname(path); ; each = above, above = dirname(each)) {
    const { uid, mode } = statSync(each);
    const isSticky = each !== path && (mode & S_ISVTX) !== 0;
    if (uid !== 0 || ((mode & 0o022) !== 0 && !isSticky)) {
      throw new WrennError(
        "unavailable",
        `${each} may be written by others than root: chown root and chmod 0755 make ${path} usable`,
      );
    }
    if (each === above) return;
  }
}

async function ask(path: string, option: string, answer: RegExp): Promise<string> {
  try {
    const { stdout } = await run([path, option], { timeoutMs: 10_000 });
    const version = answer.exec(stdout)?.[1];
    if (version !== undefined) return version;
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new WrennError("unavailable", `${path} ${option} failed: is it a Firecracker for this machine?`, {
      cause,
    });
  }
  throw new WrennError("unavailable", `${path} ${option} printed no version: is it Firecracker?`);
}
