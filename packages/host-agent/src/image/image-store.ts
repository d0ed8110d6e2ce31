// Immutable files that sandboxes boot from: kernels, initramfs, agent drives, root file systems, by name.
import { constants, type Stats } from "node:fs";
import { copyFile, link, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { removeUnfinished, renameSynced, syncPath, unfinishedName } from "@wrenn/linux";
import { fileSha256 } from "@wrenn/template";
import { makeSizedImage } from "./sized-image.ts";

/** A content hash, or one with the size that the image was grown to, `MiB`. */
const NAME = /^[0-9a-f]{64}(\.\d{1,6}m)?$/;

/** Content lies under a name that says what it is and is never rewritten, so a name is as good as a copy. */
export class ImageStore {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dataDir: string): Promise<ImageStore> {
    const store = new ImageStore(join(dataDir, "images"));
    await mkdir(store.#dir, { recursive: true, mode: 0o700 });
    await removeUnfinished(store.#dir);
    return store;
  }

  /** Path of an image. Says nothing about whether it is there. */
  path(name: string): string {
    if (!NAME.test(name)) throw new WrennError("internal", `${JSON.stringify(name)} is no name of an image`);
    return join(this.#dir, name);
  }

  async has(name: string): Promise<boolean> {
    return exists(this.path(name));
  }

  /** All images with their real sizes, `bytes`; one that goes meanwhile is left out. */
  async list(): Promise<{ name: string; sizeBytes: number }[]> {
    const names = (await readdir(this.#dir)).filter((name) => NAME.test(name));
    const found = await Promise.all(
      names.map(async (name) => ({ name, stat: await statOf(join(this.#dir, name)) })),
    );
    return found.flatMap(({ name, stat }) => (stat ? [{ name, sizeBytes: stat.blocks * 512 }] : []));
  }

  /**
   * Brings a file of the build cache in: as a hard link where both are on one file system, else as a copy (sharing
   * blocks where the file system can). It is on the disk then, as who records it expects. Returns its name.
   */
  async keep(path: string, sha256?: string): Promise<string> {
    const name = sha256 ?? (await fileSha256(path));
    const kept = this.path(name);
    if (await exists(kept)) return name;
    try {
      await syncPath(path);
      await link(path, kept);
      await syncPath(this.#dir);
    } catch (reason) {
      const code = (reason as NodeJS.ErrnoException).code;
      if (code === "EEXIST") return name;
      if (code !== "EXDEV" && code !== "EMLINK" && code !== "EPERM") throw reason;
      await copyFile(path, unfinishedName(kept), constants.COPYFILE_FICLONE);
      await syncPath(unfinishedName(kept));
      await renameSynced(unfinishedName(kept), kept);
    }
    return name;
  }

  /** The image grown to a disk of that size; made once. Returns its name. */
  async sized(name: string, diskMb: number): Promise<string> {
    const grown = `${name}.${diskMb}m`;
    await makeSizedImage(this.path(name), this.path(grown), diskMb);
    return grown;
  }

  /** Removes every image that is not needed, which is asked for each just before it goes. Returns the names that went. */
  async sweep(needed: () => ReadonlySet<string>): Promise<string[]> {
    const gone: string[] = [];
    for (const { name } of await this.list()) {
      if (needed().has(name)) continue;
      await rm(join(this.#dir, name), { force: true });
      gone.push(name);
    }
    return gone;
  }
}

/** Undefined when there is no such file. */
async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code !== "ENOENT") throw reason;
    return undefined;
  });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
