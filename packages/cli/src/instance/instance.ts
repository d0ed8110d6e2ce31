// The platform of a data directory: where it listens and what its key is, as it wrote them down.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

const DEFAULT_DATA_DIR = "/var/lib/wrenn";

/** `instance.json`, as far as the CLI needs it. */
export interface Instance extends ProcessIdentity {
  url: string;
}

export function dataDirOf(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  return resolve(flag ?? env["WRENN_DATA_DIR"] ?? DEFAULT_DATA_DIR);
}

/** The instance that runs on a data directory, if one does and this user may know. */
export function runningInstance(dataDir: string): Instance | undefined {
  const text = readIfAllowed(join(dataDir, "instance.json"));
  if (text === undefined) return undefined;
  const instance = JSON.parse(text) as Instance;
  return isAlive(instance) ? instance : undefined;
}

/** The instance's first API key, if this user may read it. */
export function localApiKey(dataDir: string): string | undefined {
  return readIfAllowed(join(dataDir, "api-key"))?.trim();
}

function readIfAllowed(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
