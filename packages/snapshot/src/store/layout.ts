// The names below a store's directory.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isSnapshotId } from "../manifest/manifest.ts";

/** Files of a snapshot. The manifest is written last, and only a directory with one is a snapshot. */
export const FILES = {
  memory: "memory.bin",
  header: "header.bin",
  devices: "devices.bin",
  manifest: "manifest.json",
  /** What a machine needed first; may be missing, and may be recorded later. */
  workingSet: "working-set.bin",
  /** What the manifest is called once the directory only holds pages or a disk layer of others. */
  remains: "remains.json",
} as const;

/** Name of a layer, the bottom one first. */
export function diskFile(index: number): string {
  return `disk-${index}.qcow2`;
}

export function isDiskFile(name: string): boolean {
  return /^disk-\d+\.qcow2$/.test(name);
}

/** Prefixes of directories that are being made and that are going; both are garbage after a crash. */
const NEW = "new-";
const GONE = "gone-";

export class StoreLayout {
  /** Holds one directory for each snapshot. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  dir(id: string): string {
    return join(this.root, id);
  }

  file(id: string, file: keyof typeof FILES): string {
    return join(this.root, id, FILES[file]);
  }

  /** One of the disk layers that a snapshot holds. */
  disk(id: string, index: number): string {
    return join(this.root, id, diskFile(index));
  }

  /** Where a snapshot is made. */
  newDir(id: string): string {
    return join(this.root, `${NEW}${id}`);
  }

  /** What a snapshot is called from the moment it is not one any more. */
  goneDir(id: string): string {
    return join(this.root, `${GONE}${id}`);
  }

  /** What is there: ids, and names of what a crash has left. Anything else is not ours and is left alone. */
  async scan(): Promise<{ ids: string[]; litter: string[] }> {
    const names = await readdir(this.root);
    const isLitter = (name: string) =>
      [NEW, GONE].some((prefix) => name.startsWith(prefix) && isSnapshotId(name.slice(prefix.length)));
    return { ids: names.filter(isSnapshotId), litter: names.filter(isLitter) };
  }
}
