// The templates of this machine: images by name, and the guest parts that all of them share.
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { assertName, BOUNDS, MIB, WrennError } from "@wrenn/core";
import type { GuestArtifacts, RootfsImage } from "@wrenn/template";
import { makeSizedImage } from "./sized-image.ts";

/** What every guest boots with. */
export interface GuestImages {
  kernelPath: string;
  initramfsPath: string;
  agentDrivePath: string;
}

export interface TemplateImage {
  name: string;
  type: "base";
  rootfsPath: string;
  /** The same grown to the default disk size: what most sandboxes start from. */
  defaultDiskPath: string;
  rootfsSha256: string;
  /** Real size, `bytes`: blocks x 512. */
  sizeBytes: number;
  /** Smallest disk that the image fits on, `MiB`. */
  minDiskMb: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/**
 * Names are small JSON files; content lies beside them under its hash and is never rewritten, so removing or replacing
 * a name takes nothing from a sandbox that runs on it: an open file stays until it is closed.
 */
export class TemplateRegistry {
  readonly #namesDir: string;
  readonly #imagesDir: string;
  readonly #templates = new Map<string, TemplateImage>();
  readonly #guest = Promise.withResolvers<GuestImages>();

  private constructor(dataDir: string) {
    this.#namesDir = join(dataDir, "templates");
    this.#imagesDir = join(dataDir, "images");
    this.#guest.promise.catch(() => {});
  }

  static async open(dataDir: string): Promise<TemplateRegistry> {
    const registry = new TemplateRegistry(dataDir);
    await mkdir(registry.#namesDir, { recursive: true, mode: 0o700 });
    await mkdir(registry.#imagesDir, { recursive: true, mode: 0o700 });
    for (const file of await readdir(registry.#namesDir)) {
      if (!file.endsWith(".json")) continue;
      const image = JSON.parse(await readFile(join(registry.#namesDir, file), "utf8")) as TemplateImage;
      registry.#templates.set(image.name, image);
    }
    return registry;
  }

  /** Names the guest parts once they are there; until then creates wait. */
  async setGuest(artifacts: GuestArtifacts): Promise<GuestImages> {
    const images = {
      kernelPath: await this.#keep(artifacts.kernel),
      initramfsPath: await this.#keep(artifacts.initramfs),
      agentDrivePath: await this.#keep(artifacts.agentDrive),
    };
    this.#guest.resolve(images);
    return images;
  }

  /** Tells those who wait for the guest parts that there will be none. */
  failGuest(reason: unknown): void {
    this.#guest.reject(
      new WrennError(
        "unavailable",
        "the guest kernel and agent could not be prepared; see the host agent's log",
        {
          cause: reason,
        },
      ),
    );
  }

  guestImages(): Promise<GuestImages> {
    return this.#guest.promise;
  }

  /** The template of that name. Throws `not_found` with what to do. */
  get(name: string): TemplateImage {
    assertName(name, "template");
    const image = this.#templates.get(name);
    if (!image) {
      throw new WrennError(
        "not_found",
        `no template "${name}" on this host; build it: wrenn template build ${name}`,
        {
          field: "template",
        },
      );
    }
    return image;
  }

  list(): TemplateImage[] {
    return [...this.#templates.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Gives a name to an image; an earlier image of that name loses it. */
  async add(name: string, rootfs: RootfsImage): Promise<TemplateImage> {
    assertName(name);
    const rootfsPath = await this.#keep(rootfs.path, rootfs.sha256);
    const minDiskMb = Math.ceil(rootfs.apparentBytes / MIB);
    const diskMb = Math.max(BOUNDS.disk_mb.default, minDiskMb);
    const defaultDiskPath = `${rootfsPath}.${diskMb}m`;
    await makeSizedImage(rootfsPath, defaultDiskPath, diskMb);
    const image: TemplateImage = {
      name,
      type: "base",
      rootfsPath,
      defaultDiskPath,
      rootfsSha256: rootfs.sha256,
      sizeBytes: rootfs.sizeBytes,
      minDiskMb,
      createdAt: Date.now(),
    };
    const path = join(this.#namesDir, `${name}.json`);
    await using file = await open(`${path}.new`, "w", 0o600);
    await file.writeFile(JSON.stringify(image));
    await file.sync();
    await rename(`${path}.new`, path);
    this.#templates.set(name, image);
    return image;
  }

  /** Takes a name away, and the image with it when no other name has it. Throws `not_found`. */
  async remove(name: string): Promise<void> {
    const image = this.get(name);
    this.#templates.delete(name);
    await rm(join(this.#namesDir, `${name}.json`), { force: true });
    if (!this.list().some((other) => other.rootfsPath === image.rootfsPath))
      await rm(image.rootfsPath, { force: true });
  }

  /**
   * Brings a file of the build cache into the data directory under a name made from its content: as a hard link where
   * both are on one file system, else as a copy (sharing blocks where the file system can).
   */
  async #keep(path: string, sha256?: string): Promise<string> {
    const kept = join(this.#imagesDir, sha256 ?? (await contentHash(path)));
    try {
      await stat(kept);
      return kept;
    } catch {
      // Not there yet.
    }
    try {
      await link(path, kept);
    } catch (reason) {
      const code = (reason as NodeJS.ErrnoException).code;
      if (code === "EEXIST") return kept;
      if (code !== "EXDEV" && code !== "EMLINK" && code !== "EPERM") throw reason;
      await copyFile(path, `${kept}.new`, constants.COPYFILE_FICLONE);
      await rename(`${kept}.new`, kept);
    }
    return kept;
  }
}

async function contentHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
