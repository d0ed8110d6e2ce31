// The directories of a store: which are snapshots, which hold only what others still need, and how they go.
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { faultPoint, syncPath } from "@wrenn/linux";
import { MAX_MANIFEST_BYTES, type Manifest, parseManifest } from "../manifest/manifest.ts";
import { FILES, isDiskFile, type StoreLayout } from "./layout.ts";

/** Files of remains that somebody may still need. */
export interface Parts {
  memory: boolean;
  disk: boolean;
}

export class Inventory {
  readonly layout: StoreLayout;
  readonly manifests = new Map<string, Manifest>();
  /** What is not a snapshot any more, but holds pages or a disk layer of others; with its files, unless nobody knows them. */
  readonly remains = new Map<string, Manifest["files"] | undefined>();
  readonly damaged: { id: string; reason: unknown }[] = [];

  /** Looks at what is there, and removes what a crash left half-made or half-removed. */
  static async load(layout: StoreLayout): Promise<Inventory> {
    const inventory = new Inventory(layout);
    const { ids, litter } = await layout.scan();
    for (const name of litter) await rm(join(layout.root, name), { recursive: true, force: true });
    for (const id of ids) await inventory.#load(id);
    return inventory;
  }

  private constructor(layout: StoreLayout) {
    this.layout = layout;
  }

  /** All ids of directories. */
  ids(): string[] {
    return [...this.manifests.keys(), ...this.remains.keys()];
  }

  /** Sizes and checksums of what was written, for a snapshot or remains; undefined when they are not known. */
  filesOf(id: string): Manifest["files"] | undefined {
    return this.manifests.get(id)?.files ?? this.remains.get(id);
  }

  /** What a directory takes on disk: blocks × 512. 0 when it has gone meanwhile. */
  async sizeOf(id: string): Promise<number> {
    const dir = this.layout.dir(id);
    try {
      const files = await Promise.all((await readdir(dir)).map((name) => stat(join(dir, name))));
      return files.reduce((sum, { blocks }) => sum + blocks * 512, 0);
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code === "ENOENT") return 0;
      throw reason;
    }
  }

  /** Removes a directory, of which nobody knows any more. A crash leaves it whole, or as litter. */
  async remove(id: string): Promise<void> {
    try {
      await rename(this.layout.dir(id), this.layout.goneDir(id));
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code === "ENOENT") return;
      throw reason;
    }
    await syncPath(this.layout.root);
    faultPoint("snapshot-going");
    await rm(this.layout.goneDir(id), { recursive: true, force: true });
  }

  /** Keeps nothing but the given parts. A crash leaves a snapshot, or remains with parts too many. */
  async strip(id: string, parts: Parts): Promise<void> {
    if (await exists(this.layout.file(id, "manifest"))) {
      await rename(this.layout.file(id, "manifest"), this.layout.file(id, "remains"));
      await syncPath(this.layout.dir(id));
      faultPoint("snapshot-stripping");
    }
    const unneeded = [FILES.header, FILES.devices, ...(parts.memory ? [] : [FILES.memory])];
    const goes = (name: string) =>
      unneeded.some((file) => file === name) ||
      name.startsWith(FILES.workingSet) ||
      (!parts.disk && isDiskFile(name));
    const names = await readdir(this.layout.dir(id));
    for (const name of names.filter(goes)) await rm(join(this.layout.dir(id), name), { force: true });
  }

  async #load(id: string): Promise<void> {
    try {
      if (await exists(this.layout.file(id, "remains"))) {
        const known = await readManifest(id, this.layout.file(id, "remains")).catch(() => undefined);
        this.remains.set(id, known?.files);
        return;
      }
      this.manifests.set(id, await readManifest(id, this.layout.file(id, "manifest")));
    } catch (reason) {
      this.damaged.push({ id, reason });
    }
  }
}

async function readManifest(id: string, path: string): Promise<Manifest> {
  if ((await stat(path)).size > MAX_MANIFEST_BYTES) throw new WrennError("internal", "it is too large");
  const manifest = parseManifest(await readFile(path, "utf8"));
  if (manifest.id !== id) throw new WrennError("internal", `snapshot ${id} calls itself ${manifest.id}`);
  return manifest;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw reason;
  }
}
