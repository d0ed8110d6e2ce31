// What is kept on disk about a sandbox, written before its resources are taken so that the next agent can find them.
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSandboxId, newToken, type SandboxStatus } from "@wrenn/core";
import { type Egress, type ProcessIdentity, replaceFile, syncPath } from "@wrenn/linux";
import type { DiskLayerRef, TscFacts } from "@wrenn/snapshot";

export interface SandboxRecord {
  version: 2;
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
  /** Its owner's rules for where it goes; absent = only the platform's. */
  egress?: Egress;
  /** Environment of the guest's processes, for a boot from the saved disk. */
  envs: Record<string, string>;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Its last generation: what a resume loads, and the parent of the next one. Null before the first. */
  snapshot: string | null;
  /**
   * Whether that is a moment of its own: saved since it was made, booted or rolled back, and not what it then began from.
   * Absent from records that an older agent has written.
   */
  own?: boolean;
  /** The snapshot that is being made while the status is `pausing`: once it is there, the pause has happened. */
  next: string | null;
  /** Frozen layers of the disk, bottom first; what was written since lies in the life's tops. */
  layers: DiskLayerRef[];
  /** Files beside the record: the tops of a life whose machine died, bottom first. Nothing is on top of them yet. */
  kept: string[];
  /** How many lives it has had. */
  lives: number;
  /** What it runs on, from before the first resource is taken until the last one is given back. */
  life: LifeRecord | null;
}

/** One stretch of running: from a boot or a resume to a pause or an end. */
export interface LifeRecord {
  /** Counts the lives of a sandbox; names the directory and the control group of this one. */
  number: number;
  slot: number;
  process: ProcessIdentity | null;
  /** The snapshot whose memory image the machine shares; null for memory of its own. */
  base: string | null;
  /** Files in the life's directory that the machine may have on top of `layers`, bottom first. */
  tops: string[];
  guest: GuestImageNames;
  /** Of the guest; absent from lives that an older agent has begun. */
  tsc?: TscFacts;
}

/** Kernel, initramfs and agent drive, by the names under which the image store keeps them. */
export interface GuestImageNames {
  kernel: string;
  initramfs: string;
  agentDrive: string;
}

/** What a sandbox is asked to be; the rest of a record comes to be while it lives. */
export type Asked = Pick<
  SandboxRecord,
  | "id"
  | "template"
  | "vcpus"
  | "memoryMb"
  | "diskMb"
  | "timeoutSec"
  | "ttlMode"
  | "onTimeout"
  | "envs"
  | "egress"
>;

/** The record of a sandbox that begins: with a token of its own, and without a past. */
export function startingRecord(asked: Asked): SandboxRecord {
  return {
    version: 2,
    ...asked,
    status: "starting",
    deadline: null,
    token: newToken(),
    createdAt: Date.now(),
    snapshot: null,
    own: false,
    next: null,
    layers: [],
    kept: [],
    lives: 0,
    life: null,
  };
}

const FILE = "sandbox.json";

/** Directory of one sandbox below the agent's data directory. */
export function sandboxDir(dataDir: string, id: string): string {
  return join(dataDir, "sandboxes", id);
}

/** Directory of one life's VMM: the only one that it may write. */
export function lifeDir(dataDir: string, id: string, number: number): string {
  return join(sandboxDir(dataDir, id), `vm-${number}`);
}

/** The control group of one life, below its block's. */
export function lifeGroup(id: string, number: number): string {
  return `${id}.${number}`;
}

/** Writes a record so that a crash leaves either the old one or the new one. */
export async function writeRecord(dataDir: string, record: SandboxRecord): Promise<void> {
  const dir = sandboxDir(dataDir, record.id);
  const isNew = (await mkdir(dir, { recursive: true, mode: 0o700 })) !== undefined;
  await replaceFile(join(dir, FILE), JSON.stringify(record));
  if (isNew) await syncPath(dirname(dir));
}

/** A record that was found: undefined when there is none, because its sandbox never came to be or was being deleted. */
export interface FoundRecord {
  id: string;
  record: SandboxRecord | undefined;
  /** Why there is a record that cannot be read. */
  unreadable?: string;
}

/** All sandboxes that an earlier agent left behind. */
export async function readRecords(dataDir: string): Promise<FoundRecord[]> {
  const parent = join(dataDir, "sandboxes");
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const ids = (await readdir(parent)).filter(isSandboxId);
  return Promise.all(ids.map(async (id) => ({ id, ...(await readRecord(join(parent, id, FILE))) })));
}

/** Removes everything of a sandbox. Succeeds when there is nothing. */
export async function removeSandboxDir(dataDir: string, id: string): Promise<void> {
  await rm(sandboxDir(dataDir, id), { recursive: true, force: true });
}

async function readRecord(path: string): Promise<Omit<FoundRecord, "id">> {
  try {
    const record = JSON.parse(await readFile(path, "utf8")) as SandboxRecord;
    if (record.version !== 2)
      throw new Error(`${path} is of version ${record.version}, which this agent does not know`);
    return { record: { ...record, kept: record.kept ?? [] } };
  } catch (reason) {
    const { code, message } = reason as NodeJS.ErrnoException;
    return code === "ENOENT" ? { record: undefined } : { record: undefined, unreadable: message };
  }
}
