// From what a request asks to run to what the kernel is asked to run.
import { statSync } from "node:fs";
import { LIMITS, WrennError } from "@wrenn/core";
import type { ProcessConfig } from "@wrenn/rpc/envd";
import { isEnvironment } from "../agent/init-request.ts";

/** Answers for the user that the process will run as. */
export type MayExecute = (path: string) => boolean;

/** Checks what can be checked without looking at the machine; `invalid_argument` names the field. */
export function checkConfig(config: ProcessConfig | undefined): ProcessConfig {
  if (config === undefined || config.cmd === "") fail("cmd", "cmd is required");
  if (config.cmd.includes("\0") || config.cmd.length > LIMITS.pathBytes)
    fail("cmd", "cmd is not a usable path");
  if (config.args.length > LIMITS.args) fail("args", `at most ${LIMITS.args} args are accepted`);
  if (config.args.some((arg) => arg.includes("\0"))) fail("args", "args cannot hold NUL bytes");
  if (!isEnvironment(config.envs)) {
    fail("envs", `envs must be at most ${LIMITS.envs} names without '=', and hold no NUL bytes`);
  }
  if (config.cwd !== undefined && (config.cwd.includes("\0") || config.cwd.length > LIMITS.pathBytes)) {
    fail("cwd", "cwd is not a usable path");
  }
  return config;
}

/** Checks that a working directory exists and the user may enter it. */
export function checkDirectory(cwd: string, mayExecute: MayExecute): void {
  const info = statOrUndefined(cwd);
  if (info === undefined) fail("cwd", `cwd '${cwd}' does not exist`);
  if (!info.isDirectory()) fail("cwd", `cwd '${cwd}' is not a directory`);
  if (!mayExecute(cwd)) fail("cwd", `cwd '${cwd}' may not be entered by the user`);
}

/**
 * The program's absolute path, found as a shell would: a name with a slash relative to the working
 * directory, any other one along PATH. `command_not_found` when there is none that the user may execute.
 */
export function findProgram(cmd: string, cwd: string, path: string, mayExecute: MayExecute): string {
  let forbidden: string | undefined;
  for (const candidate of candidates(cmd, cwd, path)) {
    const info = statOrUndefined(candidate);
    if (info === undefined) continue;
    if (info.isFile() && mayExecute(candidate)) return candidate;
    forbidden ??= candidate;
  }
  throw commandNotFound(
    forbidden === undefined
      ? `command '${cmd}' was not found${cmd.includes("/") ? "" : ` in PATH (${path})`}`
      : `command '${forbidden}' is not an executable file, or the user may not execute it`,
  );
}

/** The failure of a Start for which there is nothing to run. */
export function commandNotFound(message: string, cause?: unknown): WrennError {
  return new WrennError("command_not_found", message, { field: "cmd", cause });
}

function* candidates(cmd: string, cwd: string, path: string): Generator<string> {
  if (cmd.startsWith("/")) yield cmd;
  else if (cmd.includes("/")) yield join(cwd, cmd);
  else for (const dir of path.split(":")) yield join(dir.startsWith("/") ? dir : join(cwd, dir), cmd);
}

/** Not `path.join`: that would drop `..` behind symbolic links. */
function join(dir: string, name: string): string {
  if (dir === "") return name;
  return dir.endsWith("/") ? dir + name : `${dir}/${name}`;
}

/** ENOTDIR, EACCES and the like on the way: not there, as far as a lookup is concerned. */
function statOrUndefined(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function fail(field: string, message: string): never {
  throw new WrennError("invalid_argument", message, { field });
}
