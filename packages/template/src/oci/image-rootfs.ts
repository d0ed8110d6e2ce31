// An image's root file system as a file that guests boot from.
import { createHash } from "node:crypto";
import { lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { BOUNDS, MIB } from "@wrenn/core";
import { fileSha256 } from "../cache/hash.ts";
import { withScratch } from "../cache/scratch.ts";
import { walk } from "../cache/walk.ts";
import { type BuildOptions, step } from "../progress.ts";
import { makeExt4 } from "../rootfs/image.ts";
import type { RootfsImage } from "../rootfs/rootfs.ts";
import { tooLarge } from "./documents.ts";
import { finishImageTree } from "./finish.ts";
import { pullImage, type ResolvedImage } from "./pull.ts";
import type { ImageSource } from "./source.ts";
import { unpackImage } from "./unpack.ts";

export interface ImageRootfsOptions extends BuildOptions {
  source: ImageSource;
  image: ResolvedImage;
  signal: AbortSignal;
  onLog: (line: string) => void;
}

/** Room for what a guest's first commands write, before the disk of its sandbox is larger anyway. */
const FREE_MB = 256;
/** Bytes of a file system for each of its inodes; see `makeExt4`. */
const BYTES_PER_INODE = 16_384;

/**
 * Hands the finished file to `use`; afterwards it is gone, like everything else that was needed: an image that is built
 * again is brought here again.
 */
export async function withImageRootfs<T>(
  options: ImageRootfsOptions,
  use: (rootfs: RootfsImage) => Promise<T>,
): Promise<T> {
  const { source, image, cacheDir, signal, onLog } = options;
  const name = `image-${image.digest.slice("sha256:".length)}`;
  return await withScratch({ cacheDir, name, signal }, async (scratch) => {
    const box = join(scratch, "box");
    await mkdir(box, { mode: 0o700 });
    const layout = join(box, "layout");
    await step(options, "get image", () => pullImage(source, image, { dir: layout, signal, onLog }));
    const tree = await step(options, "unpack image", () => unpackImage(box, signal));
    await rm(layout, { recursive: true });
    const path = join(scratch, "rootfs.ext4");
    await step(options, "make root file system", async () => {
      await finishImageTree(tree, image.config.envs);
      const { entries, bytes } = await measure(tree);
      const epoch = Math.floor(Date.now() / 1000);
      const uuid = uuidFrom(image.digest);
      await makeExt4({ tree, image: path, sizeMb: sizeFor(entries, bytes), epoch, uuid, scratch, signal });
    });
    await rm(box, { recursive: true });
    const { blocks, size } = await lstat(path);
    const sha256 = await fileSha256(path, signal);
    return await use({ path, sha256, sizeBytes: blocks * 512, apparentBytes: size, packages: {} });
  });
}

/** MiB of a file system that holds so much. Throws `too_large`. */
export function sizeFor(entries: number, bytes: number): number {
  const needed = Math.ceil(Math.max(bytes * 1.1, entries * BYTES_PER_INODE) / MIB) + FREE_MB;
  const { min, max } = BOUNDS.disk_mb;
  if (needed > max) throw tooLarge(`the image needs a disk of ${needed} MiB; at most ${max} are possible`);
  return Math.max(needed, min);
}

async function measure(tree: string): Promise<{ entries: number; bytes: number }> {
  const found = await walk(tree);
  let bytes = 0;
  for (const { path } of found) bytes += (await lstat(join(tree, path))).blocks * 512;
  return { entries: found.length, bytes };
}

/** A UUID of one's own making (version 8 of RFC 9562). */
function uuidFrom(text: string): string {
  const hash = createHash("sha256").update(text).digest("hex");
  const digits = `${hash.slice(0, 12)}8${hash.slice(13, 16)}8${hash.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
