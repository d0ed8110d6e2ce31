// Which PostgreSQL runs: the newest that is installed, or the one that made the data directory.
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";

/** Where Debian's packages put the server's programs, one directory per major version. */
const DEBIAN_ROOT = "/usr/lib/postgresql";
const OLDEST = 15;

export interface Installation {
  major: number;
  /** Directory of `postgres` and `initdb`. */
  bin: string;
}

/**
 * The server for `dataDir`, which need not exist yet. Throws `unavailable` when none fits, since a data
 * directory belongs to the major version that made it.
 */
export async function findInstallation(dataDir: string, root = DEBIAN_ROOT): Promise<Installation> {
  const installed = await installedVersions(root);
  const made = await madeBy(dataDir);
  const major = made ?? installed.at(-1);
  if (major === undefined) {
    throw new WrennError(
      "unavailable",
      `no PostgreSQL ${OLDEST} or later under ${root}: apt-get install postgresql`,
    );
  }
  if (!installed.includes(major)) {
    throw new WrennError(
      "unavailable",
      `the database in ${dataDir} was made by PostgreSQL ${major}, which is not installed ` +
        `(installed: ${installed.join(", ") || "none"}): apt-get install postgresql-${major}, ` +
        "or move the data with pg_upgrade",
    );
  }
  return { major, bin: join(root, String(major), "bin") };
}

async function installedVersions(root: string): Promise<number[]> {
  const names = await readdir(root).catch(() => []);
  const majors = names.map(Number).filter((major) => Number.isInteger(major) && major >= OLDEST);
  const complete = await Promise.all(
    majors.map((major) =>
      access(join(root, String(major), "bin/postgres")).then(
        () => true,
        () => false,
      ),
    ),
  );
  return majors.filter((_, index) => complete[index]).sort((a, b) => a - b);
}

/** The major version in `PG_VERSION`, or undefined when there is no cluster yet. */
async function madeBy(dataDir: string): Promise<number | undefined> {
  try {
    return Number.parseInt(await readFile(join(dataDir, "PG_VERSION"), "utf8"), 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}
