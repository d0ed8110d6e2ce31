// Paths as requests give them.
import { statSync } from "node:fs";
import { posix } from "node:path";
import { LIMITS, WrennError } from "@wrenn/core";

interface Home {
  home: string;
}

/**
 * The absolute path of a request's path: absolute, `~`, `~/...`, or relative to the guest's default working
 * directory, which is the user's home unless `/init` set another. `invalid_argument` when it cannot name a file.
 */
export function resolvePath(
  path: string,
  user: Home,
  defaultWorkdir: string | undefined,
  field = "path",
): string {
  if (path === "") throw unusable(field, "is empty");
  if (path.includes("\0")) throw unusable(field, "holds a NUL byte");
  if (Buffer.byteLength(path) > LIMITS.pathBytes) throw unusable(field, `is over ${LIMITS.pathBytes} bytes`);
  if (path === "~") return user.home;
  if (path.startsWith("~/")) return posix.join(user.home, path.slice(2));
  return posix.resolve("/", defaultWorkdir ?? user.home, path);
}

/**
 * Where a process starts: the request's directory, which must exist (the caller checks), else the default
 * one, else `/` where the root file system has no home for the user.
 */
export function workingDirectory(
  cwd: string | undefined,
  user: Home,
  defaultWorkdir: string | undefined,
): string {
  if (cwd) return resolvePath(cwd, user, defaultWorkdir, "cwd");
  const usual = defaultWorkdir ?? user.home;
  return statSync(usual, { throwIfNoEntry: false })?.isDirectory() ? usual : "/";
}

function unusable(field: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${field} ${why}`, { field });
}
