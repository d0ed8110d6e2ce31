// The lab's large disk: everything that a host would otherwise have to build, so that the lab builds nothing.
import { copyFile, link, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MIB } from "@wrenn/core";
import { run } from "@wrenn/linux";
import type { BuildOptions, GuestArtifacts, RootfsImage } from "@wrenn/template";
import { cached } from "../../packages/template/src/cache/cached.ts";
import { fileSha256, partsSha256 } from "../../packages/template/src/cache/hash.ts";
import { publish } from "../../packages/template/src/cache/publish.ts";
import { step } from "../../packages/template/src/progress.ts";
import { INSIDE } from "../layout.ts";

export interface StoreParts {
  /** Node's executable. */
  node: string;
  guest: GuestArtifacts;
  /** The images of the templates that the lab's host agent may be asked to build. */
  templates: readonly RootfsImage[];
}

/** `MiB`; sparse. */
const DISK_MB = 24 * 1024;
/** Part of the key: to be raised when the same parts are to be laid out in another way. */
const FORMAT = 1;
const TIMEOUT_MS = 300_000;

/** Path of the image in the cache. Older ones, of other versions of the parts, are removed. */
export async function buildStore(parts: StoreParts, options: BuildOptions): Promise<string> {
  const key = partsSha256([
    JSON.stringify([FORMAT, DISK_MB, parts.guest.hashes, parts.templates.map(({ sha256 }) => sha256)]),
    await fileSha256(parts.node, options.signal),
  ]);
  const image = await cached({ ...options, name: `lab/${key}.ext4` }, ({ scratch, path }) =>
    step(options, "make the lab's disk", async () => {
      const tree = join(scratch, "tree");
      await layOut(tree, parts);
      const made = join(scratch, "store.ext4");
      await run(
        [
          ...(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-i", "65536", "-m", "0"] as const),
          ...["-E", "assume_storage_prezeroed=1,lazy_itable_init=1,root_owner=0:0"],
          ...["-d", tree, made, `${DISK_MB}M`],
        ],
        { timeoutMs: TIMEOUT_MS, signal: options.signal },
      );
      await publish(made, path);
    }),
  );
  for (const file of await readdir(dirname(image))) {
    if (file !== basename(image)) await rm(join(dirname(image), file), { force: true });
  }
  return image;
}

/** A tree with the layout of {@link INSIDE}. Files are linked, not copied: the image is made from the same file system. */
async function layOut(tree: string, { node, guest, templates }: StoreParts): Promise<void> {
  const at = (inside: string) => join(tree, inside.slice(INSIDE.store.length));
  for (const dir of [INSIDE.cache, INSIDE.data, INSIDE.tls, dirname(INSIDE.node), `${INSIDE.store}/guest`]) {
    await mkdir(at(dir), { recursive: true, mode: 0o755 });
  }
  await linkOrCopy(node, at(INSIDE.node));
  const paths = { kernel: "", initramfs: "", agentDrive: "" };
  for (const part of ["kernel", "initramfs", "agentDrive"] as const) {
    paths[part] = `${INSIDE.store}/guest/${part}`;
    await linkOrCopy(guest[part], at(paths[part]));
  }
  await writeFile(at(INSIDE.guest), JSON.stringify({ ...guest, ...paths }));
  // A template's place in the build cache is named after its recipe: the directory above the image.
  for (const { path } of templates) {
    const from = dirname(path);
    const to = at(`${INSIDE.cache}/rootfs/${basename(from)}`);
    await mkdir(to, { recursive: true, mode: 0o755 });
    for (const file of await readdir(from)) await linkOrCopy(join(from, file), join(to, file));
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "EXDEV") throw reason;
    const { size } = await stat(from);
    if (size < 256 * MIB) await copyFile(from, to);
    else await run(["cp", "--sparse=always", "--", from, to], { timeoutMs: TIMEOUT_MS });
  }
}
