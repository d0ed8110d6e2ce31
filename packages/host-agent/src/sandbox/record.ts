// What is kept on disk about a sandbox, written before its resources are taken so that the next agent can find them.
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isSandboxId, type SandboxStatus } from "@wrenn/core";

export interface SandboxRecord {
  version: 1;
  id: string;
  status: SandboxStatus;
  template: string;
  vcpus: number;
  memoryMb: number;
  diskMb: number;
  timeoutSec: number;
  /** What `timeoutSec` counts from: the last activity, or the start. */
  ttlMode: "inactivity" | "deadline";
  /** In deadline mode, when its time is up: milliseconds since the epoch; null = never, and while it does not run. */
  deadline: number | null;
  onTimeout: "destroy" | "pause";
  /** The guest agent's access token: a later agent needs it to speak to a guest that still runs. */
  token: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

const FILE = "sandbox.json";

/** Directory of one sandbox below the agent's data directory. */
export function sandboxDir(dataDir: string, id: string): string {
  return join(dataDir, "sandboxes", id);
}

/** Writes a record so that a crash leaves either the old one or the new one. */
export async function writeRecord(dataDir: string, record: SandboxRecord): Promise<void> {
  const dir = sandboxDir(dataDir, record.id);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const temporary = join(dir, `${FILE}.new`);
  await using file = await open(temporary, "w", 0o600);
  await file.writeFile(JSON.stringify(record));
  await file.sync();
  await rename(temporary, join(dir, FILE));
}

/** All sandboxes that an earlier agent left behind. A directory without a readable record yields only its id. */
export async function readRecords(
  dataDir: string,
): Promise<{ id: string; record: SandboxRecord | undefined }[]> {
  const parent = join(dataDir, "sandboxes");
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const ids = (await readdir(parent)).filter(isSandboxId);
  return Promise.all(ids.map(async (id) => ({ id, record: await readRecord(join(parent, id, FILE)) })));
}

/** Removes everything of a sandbox. Succeeds when there is nothing. */
export async function removeSandboxDir(dataDir: string, id: string): Promise<void> {
  await rm(sandboxDir(dataDir, id), { recursive: true, force: true });
}

async function readRecord(path: string): Promise<SandboxRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as SandboxRecord;
  } catch {
    return undefined;
  }
}
