// The templates of this machine: what sandboxes are made from, by name, and the guest parts that new boots share.
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { assertName, BOUNDS, MIB, WrennError } from "@wrenn/core";
import { removeSynced, removeUnfinished, replaceFile } from "@wrenn/linux";
import type { DiskLayerRef } from "@wrenn/snapshot";
import type { GuestArtifacts, RootfsImage } from "@wrenn/template";
import { Mutex } from "async-mutex";
import type { ImageStore } from "../image/image-store.ts";
import type { GuestImageNames } from "../sandbox/record.ts";
import type { User } from "../storage/storage.ts";

/** A root file system, and the snapshots of it that have booted already. */
export interface BaseTemplate {
  name: string;
  type: "base";
  /** Names in the image store: the smallest one, and the same grown to the default disk size. */
  rootfs: string;
  defaultDisk: string;
  /** Real size, `bytes`: blocks x 512. */
  sizeBytes: number;
  /** Smallest disk that the image fits on, `MiB`. */
  minDiskMb: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Snapshot ids by shape (see `shapeKey`), the one that was made first first. */
  warm: Record<string, string>;
}

/** A sandbox as it was at one moment; processors, memory and disk are as they were. */
export interface SnapshotTemplate {
  name: string;
  type: "snapshot";
  snapshot: string;
  /** Its disk, for a boot when nothing else of the snapshot can be read; absent = written by an earlier version. */
  layers?: DiskLayerRef[];
  vcpus: number;
  memoryMb: number;
  diskMb: number;
  sizeBytes: number;
  createdAt: number;
}

export type Template = BaseTemplate | SnapshotTemplate;

/** Names are small JSON files; content lies elsewhere and stays while anybody needs it, whatever becomes of its names. */
export class TemplateRegistry {
  readonly #dir: string;
  readonly #images: ImageStore;
  readonly #templates = new Map<string, Template>();
  /** One change at a time: each is a file that is written and what is remembered of it. */
  readonly #changing = new Mutex();
  /** Files that cannot be read, which are left where they are: what they need nobody knows. */
  readonly damaged: { path: string; reason: unknown }[] = [];
  readonly #guest = Promise.withResolvers<GuestImageNames>();
  #currentGuest: GuestImageNames | undefined;

  private constructor(dataDir: string, images: ImageStore) {
    this.#dir = join(dataDir, "templates");
    this.#images = images;
    this.#guest.promise.catch(() => {});
  }

  static async open(dataDir: string, images: ImageStore): Promise<TemplateRegistry> {
    const registry = new TemplateRegistry(dataDir, images);
    await mkdir(registry.#dir, { recursive: true, mode: 0o700 });
    await removeUnfinished(registry.#dir);
    for (const file of await readdir(registry.#dir)) {
      if (file.endsWith(".json")) await registry.#load(file);
    }
    return registry;
  }

  /** Names the guest parts once they are there; until then creates wait. */
  async setGuest(artifacts: GuestArtifacts): Promise<GuestImageNames> {
    this.#currentGuest = {
      kernel: await this.#images.keep(artifacts.kernel, artifacts.hashes.kernel),
      initramfs: await this.#images.keep(artifacts.initramfs, artifacts.hashes.initramfs),
      agentDrive: await this.#images.keep(artifacts.agentDrive, artifacts.hashes.agentDrive),
    };
    this.#guest.resolve(this.#currentGuest);
    return this.#currentGuest;
  }

  guestImages(): Promise<GuestImageNames> {
    return this.#guest.promise;
  }

  /** The template of that name. Throws `not_found` with what to do. */
  get(name: string): Template {
    assertName(name, "template");
    const template = this.#templates.get(name);
    if (!template) {
      throw new WrennError(
        "not_found",
        `no template "${name}" on this host; build it: wrenn template build ${name}`,
        { field: "template" },
      );
    }
    return template;
  }

  /** The same, or undefined. */
  find(name: string): Template | undefined {
    return this.#templates.get(name);
  }

  list(): Template[] {
    return [...this.#templates.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /**
   * Brings a root file system in. It has no name until {@link set} gives it one. What has booted from the same one under
   * that name stays with it.
   */
  async base(name: string, rootfs: RootfsImage): Promise<BaseTemplate> {
    assertName(name);
    const image = await this.#images.keep(rootfs.path, rootfs.sha256);
    const minDiskMb = Math.ceil(rootfs.apparentBytes / MIB);
    const defaultDisk = await this.#images.sized(image, Math.max(BOUNDS.disk_mb.default, minDiskMb));
    const now = this.find(name);
    return {
      name,
      type: "base",
      rootfs: image,
      defaultDisk,
      sizeBytes: rootfs.sizeBytes,
      minDiskMb,
      createdAt: Date.now(),
      warm: now?.type === "base" && now.rootfs === image ? now.warm : {},
    };
  }

  /** Gives a name to a template; an earlier one of that name loses it. A crash leaves either the old or the new one. */
  async set(template: Template): Promise<void> {
    assertName(template.name);
    await this.#changing.runExclusive(() => this.#write(template));
  }

  /**
   * Changes what a base template has booted. Returns the template as it is then; undefined, and nothing is changed, when it
   * was deleted or has got another root file system meanwhile.
   */
  async changeWarm(
    { name, rootfs }: Pick<BaseTemplate, "name" | "rootfs">,
    change: (warm: BaseTemplate["warm"]) => BaseTemplate["warm"],
  ): Promise<BaseTemplate | undefined> {
    return await this.#changing.runExclusive(async () => {
      const now = this.find(name);
      if (now?.type !== "base" || now.rootfs !== rootfs) return undefined;
      const changed = { ...now, warm: change(now.warm) };
      await this.#write(changed);
      return changed;
    });
  }

  async #write(template: Template): Promise<void> {
    await replaceFile(join(this.#dir, `${template.name}.json`), JSON.stringify(template));
    this.#templates.set(template.name, template);
  }

  /** Takes a name away. Throws `not_found`. */
  async remove(name: string, type?: Template["type"]): Promise<void> {
    await this.#changing.runExclusive(async () => {
      const template = this.get(name);
      if (type !== undefined && template.type !== type) {
        throw new WrennError("not_found", `${name} is no ${type} template of this host`);
      }
      await removeSynced(join(this.#dir, `${name}.json`));
      this.#templates.delete(name);
    });
  }

  /** What the templates, and boots to come, need. */
  users(): User[] {
    const guest = this.#currentGuest;
    return [
      ...this.list().map((template) => ({
        label: `${template.type === "base" ? "template" : "snapshot"} ${template.name}`,
        snapshots: template.type === "base" ? Object.values(template.warm) : [template.snapshot],
        images: template.type === "base" ? [template.rootfs, template.defaultDisk] : [],
      })),
      ...(guest ? [{ label: "guests to come", snapshots: [], images: Object.values(guest) }] : []),
    ];
  }

  async #load(file: string): Promise<void> {
    const path = join(this.#dir, file);
    try {
      const template = JSON.parse(await readFile(path, "utf8")) as Template;
      if (`${template.name}.json` !== file) throw new Error(`it calls itself ${template.name}`);
      // What an older version kept is built again: images are in the cache.
      if (template.type === "snapshot" || template.warm) this.#templates.set(template.name, template);
    } catch (reason) {
      this.damaged.push({ path, reason });
    }
  }
}
