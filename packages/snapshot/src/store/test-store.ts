// For tests: guests that are arrays, and a store in a temporary directory.
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotFacts } from "../manifest/manifest.ts";
import { PAGE_BYTES } from "../mapping/page-map.ts";
import type { Draft } from "./draft.ts";
import { type Origin, type Snapshot, SnapshotStore } from "./store.ts";

export const MEMORY_MB = 128;
export const BOOTED = { kind: "booted", memoryMb: MEMORY_MB } as const;
const SHA = (digit: string) => digit.repeat(64);

export const FACTS: SnapshotFacts = {
  createdAt: 1_700_000_000_000,
  vcpus: 1,
  diskMb: 1024,
  accelerator: "tcg",
  vmm: { name: "trial", version: "1" },
  images: { kernel: SHA("1"), initramfs: SHA("2"), agentDrive: SHA("3") },
  commandLine: "quiet",
  tscKhz: 2_000_000,
  token: "secret",
  template: "minimal",
  disk: [{ kind: "image", name: SHA("4") }],
};

/** A guest's memory, and which pages it has written since it was started. */
export class TrialMemory {
  readonly bytes: Buffer;
  readonly written = new Set<number>();
  reads = 0;

  constructor(bytes: Buffer = Buffer.alloc(MEMORY_MB * 1024 * 1024)) {
    this.bytes = bytes;
  }

  /** Fills a page with one byte. */
  set(page: number, value: number): this {
    this.bytes.fill(value, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    this.written.add(page);
    return this;
  }

  pages(): Uint32Array {
    return Uint32Array.from(this.written).toSorted();
  }

  read(offset: number, into: Uint8Array): void {
    this.reads += 1;
    this.bytes.copy(into, 0, offset, offset + into.length);
  }
}

export class TrialStore implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "wrenn-snapshot-"));

  /** As after a new start of the process. */
  open(): Promise<SnapshotStore> {
    return SnapshotStore.open(this.dir);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}

/** Stores a memory and a few bytes of devices, and a disk layer when one is given. */
export async function fill(draft: Draft, memory: TrialMemory, disk?: string): Promise<void> {
  await draft.storePages(memory, memory.pages());
  await writeFile(draft.devicesPath, "devices");
  if (disk !== undefined) await writeFile(draft.diskPath(0), disk);
}

/** A snapshot from begin to commit. */
export async function save(
  store: SnapshotStore,
  {
    origin,
    memory,
    disk,
    facts = {},
  }: { origin: Origin; memory: TrialMemory; disk?: string; facts?: Partial<SnapshotFacts> },
): Promise<Snapshot> {
  await using draft = await store.begin(origin);
  await fill(draft, memory, disk);
  return await draft.commit({ ...FACTS, ...facts });
}

/** The whole memory of a snapshot. */
export async function restored(store: SnapshotStore, id: string): Promise<Buffer> {
  const source = await store.pages(id);
  const bytes = Buffer.alloc(source.map.pages * PAGE_BYTES, 0xee);
  source.read(0, bytes);
  return bytes;
}
