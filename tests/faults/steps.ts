// Preloaded into a host agent: every step that it takes towards the machine (files, processes, signals) can be noted, and
// a process can be killed ahead of any one of them. None is picked by hand, and the product knows nothing of it.
import childProcess from "node:child_process";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";

/** Names the file that says what is to happen; see {@link parseWish}. */
export const STEP_FILE_VARIABLE = "WRENN_STEP_FILE";

/** What is to happen: `trace`, or `kill self SITE` or `kill PID SITE`, the first time that SITE is come to. */
export type Wish = { kind: "trace" } | { kind: "kill"; pid: number | "self"; site: string };

export function parseWish(text: string): Wish {
  const [verb, who = "", ...site] = text.trim().split(" ");
  if (verb === "trace") return { kind: "trace" };
  if (verb !== "kill" || site.length === 0) throw new Error(`not a wish: ${text}`);
  return { kind: "kill", pid: who === "self" ? "self" : Number(who), site: site.join(" ") };
}

/** Says what is to happen, at a stroke: a half-written wish would be read by what the agent is doing meanwhile. */
export function makeWish(stepFile: string, text: string): void {
  parseWish(text);
  writeFileSync(`${stepFile}.new`, text);
  renameSync(`${stepFile}.new`, stepFile);
}

/** Calls of `node:fs/promises`, and with `Sync` of `node:fs`, that change something. */
const CHANGES = [
  "appendFile",
  "chmod",
  "chown",
  "copyFile",
  "link",
  "mkdir",
  "mkdtemp",
  "rename",
  "rm",
  "rmdir",
  "symlink",
  "truncate",
  "unlink",
  "writeFile",
] as const;
/** Of an open file. */
const FILE_CHANGES = [
  "chmod",
  "chown",
  "datasync",
  "sync",
  "truncate",
  "write",
  "writeFile",
  "writev",
] as const;
/** Frames of the caller that tell one step from another: a shared helper alone would make many steps one. */
const FRAMES = 3;

// The module that others import from, not a namespace of it, whose members cannot be set.
const fs = createRequire(import.meta.url)("node:fs") as typeof import("node:fs");
const file = process.env[STEP_FILE_VARIABLE];
/** In the module itself, so that what is noted or killed is no step. */
const { readFileSync, appendFileSync, renameSync, rmSync, writeFileSync } = { ...fs };
const killProcess = process.kill.bind(process);

if (file !== undefined) await watchSteps(file);

async function watchSteps(stepFile: string): Promise<void> {
  const step = (what: string) => passStep(stepFile, what);
  for (const name of CHANGES) {
    before(fs.promises, name, step);
    before(fs, `${name}Sync`, step);
  }
  before(fs, "writeSync", step);
  const writes = (_path: unknown, flags: unknown = "r") =>
    typeof flags === "number" ? (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0 : flags !== "r";
  before(fs.promises, "open", step, writes);
  before(fs, "openSync", step, writes);
  const handle = await fs.promises.open("/dev/null");
  const methods = Object.getPrototypeOf(handle) as object;
  await handle.close();
  for (const name of FILE_CHANGES) before(methods, name, step);
  before(childProcess, "spawn", step);
  before(process, "kill", step, (_pid: unknown, signal: unknown) => signal !== 0);
  syncBuiltinESMExports();
}

/** Has `step` called ahead of each call of a function that counts. */
function before(
  owner: object,
  name: string,
  step: (what: string) => void,
  counts: (...args: unknown[]) => boolean = () => true,
): void {
  const members = owner as Record<string, (...args: unknown[]) => unknown>;
  const original = members[name];
  if (typeof original !== "function") throw new Error(`there is no ${name} to be watched`);
  members[name] = function (this: unknown, ...args: unknown[]) {
    if (counts(...args)) step(name);
    return original.apply(this, args);
  };
}

/** Some of those functions call others of them, as does what is done here. */
let isInside = false;

/** Heeds the wish, unless it is a part of another step that comes here. */
function passStep(stepFile: string, what: string): void {
  if (isInside) return;
  isInside = true;
  try {
    heed(stepFile, what);
  } finally {
    isInside = false;
  }
}

function heed(stepFile: string, what: string): void {
  let wish: Wish;
  try {
    wish = parseWish(readFileSync(stepFile, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    // Thrown, it would be a failure of the step, which the product answers as one of its own.
    process.stderr.write(`${stepFile}: ${error}\n`);
    process.abort();
  }
  const site = siteOf(what);
  if (site === undefined) return;
  if (wish.kind === "trace") appendFileSync(`${stepFile}.trace`, `${site}\n`);
  else if (wish.site === site) {
    rmSync(stepFile);
    killProcess(wish.pid === "self" ? process.pid : wish.pid, "SIGKILL");
  }
}

/** What is done and by which lines of the product, the nearest first; undefined when none of them is the product's. */
function siteOf(what: string): string | undefined {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  Error.captureStackTrace(holder);
  Error.stackTraceLimit = limit;
  const frames = [...(holder.stack ?? "").matchAll(/\/packages\/([\w-]+)\/src\/([\w/.-]+\.ts):(\d+):/g)]
    .slice(0, FRAMES)
    .map(([, room, path, line]) => `${room}/${path}:${line}`);
  // What it logs changes nothing.
  if (frames[0]?.includes("/log-destination.ts")) return undefined;
  return frames.length === 0 ? undefined : `${what}<${frames.join("<")}`;
}

/** The preload as an argument of Node's. */
export const STEPS_PRELOAD: string = `--import=${fileURLToPath(import.meta.url)}`;
