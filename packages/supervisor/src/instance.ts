// What a running instance says about itself, for `down`, `status`, the CLI and other programs.
import { open, readFile, rename, rm } from "node:fs/promises";
import { isAlive } from "@wrenn/linux";
import { isRecord } from "./is-record.ts";

export interface Instance {
  /** Base URL of the API. */
  url: string;
  /** The supervisor, with its start time in clock ticks since boot, as in /proc/PID/stat. */
  pid: number;
  start_time: number;
  /** Number of the instance on this machine. */
  block: number;
  version: string;
}

/** Replaces the file at once: a reader sees the old content or the new. */
export async function writeInstance(path: string, instance: Instance): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w", 0o644);
  try {
    await handle.writeFile(`${JSON.stringify(instance, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** What the file says, or undefined when there is none or it is not one of ours. */
export async function readInstance(path: string): Promise<Instance | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isInstance(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export async function removeInstance(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** The running instance of a data directory: its file, if the process that wrote it still runs. */
export async function runningInstance(path: string): Promise<Instance | undefined> {
  const instance = await readInstance(path);
  if (!instance || !isAlive({ pid: instance.pid, startTime: instance.start_time })) return undefined;
  return instance;
}

function isInstance(value: unknown): value is Instance & Record<string, unknown> {
  return (
    isRecord(value) &&
    typeof value["url"] === "string" &&
    typeof value["version"] === "string" &&
    ["pid", "start_time", "block"].every((field) => typeof value[field] === "number")
  );
}
