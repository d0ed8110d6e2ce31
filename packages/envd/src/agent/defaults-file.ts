// What a template gives each of its guests, kept on its disk: so a guest that boots has it, not only one from saved memory.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { LIMITS, WrennError } from "@wrenn/core";
import { type InitRequest, parseInitRequest } from "./init-request.ts";

/** Written by root's agent alone, so a program of the guest's other users cannot choose what root's programs are given. */
export const DEFAULTS_FILE = "/etc/wrenn/defaults.json";

const MAX_BYTES = 1024 * 1024;

export type Defaults = Pick<InitRequest, "envVars" | "defaultUser" | "defaultWorkdir">;

/** Nothing when there is no file. Throws for one that is not as {@link writeDefaults} leaves it. */
export function readDefaults(path: string): Defaults | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw reason;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_BYTES) throw wrong(path, "is no small file");
    if (stats.uid !== process.getuid?.() || (stats.mode & 0o022) !== 0)
      throw wrong(path, "may be written by others");
    const { envVars, defaultUser, defaultWorkdir } = parseInitRequest(JSON.parse(readFileSync(file, "utf8")));
    return {
      ...(envVars && { envVars }),
      ...(defaultUser !== undefined && { defaultUser }),
      ...(defaultWorkdir !== undefined && { defaultWorkdir }),
    };
  } finally {
    closeSync(file);
  }
}

/** Replaces the file as a whole, and has it on disk when it returns. */
export function writeDefaults(path: string, defaults: Defaults): void {
  const text = JSON.stringify(defaults);
  if (Object.keys(defaults.envVars ?? {}).length > LIMITS.envs) {
    throw new WrennError("too_large", `a template has at most ${LIMITS.envs} variables`);
  }
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new WrennError("too_large", `the defaults of a guest have at most ${MAX_BYTES} bytes`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = openSync(`${path}.new`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function wrong(path: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${path} ${why}`);
}
