// A directory tree into an ext4 image, without mounting anything and with the same bytes each time.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "@wrenn/core";
import { run } from "@wrenn/linux";

export interface ImageOptions {
  /** Directory that becomes the root of the file system. */
  tree: string;
  image: string;
  /** Size of the file system, `MiB`. */
  sizeMb: number;
  /** Time that the file system says it was made, seconds since the epoch. */
  epoch: number;
  /** Of the file system, and seed of its directory hashes. */
  uuid: string;
  /** Directory for a command file. */
  scratch: string;
  signal?: AbortSignal | undefined;
}

/** What mke2fs takes for ext4, spelled out: the host's /etc/mke2fs.conf has no say. */
const FEATURES = [
  "none",
  "has_journal",
  "ext_attr",
  "resize_inode",
  "dir_index",
  "filetype",
  "extent",
  "64bit",
  "flex_bg",
  "sparse_super",
  "large_file",
  "huge_file",
  "dir_nlink",
  "extra_isize",
  "metadata_csum",
];

/** 10 minutes: the largest image takes seconds, on a busy disk longer. */
const TIMEOUT_MS = 600_000;

/**
 * Makes the image as a sparse file. `mke2fs -d` walks a tree in the order of its names and takes the time of all but one
 * stamp from the environment; the one, the time of the inode's last change, is the real one of the source tree, which
 * cannot be set there. It is set in the image afterwards.
 *
 * The inode tables count as zeroed, as those of a new sparse file are, so that the guest's kernel does not write zeros
 * over them in its first minutes.
 */
export async function makeExt4(options: ImageOptions): Promise<void> {
  const { tree, image, sizeMb, epoch, uuid, signal } = options;
  const env = {
    PATH: process.env["PATH"] ?? "",
    LC_ALL: "C",
    E2FSPROGS_FAKE_TIME: String(epoch),
    MKE2FS_CONFIG: "/dev/null",
  };
  await run(
    [
      ...(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0"] as const),
      ...["-O", FEATURES.join(","), "-U", uuid],
      ...["-E", `hash_seed=${uuid},root_owner=0:0,assume_storage_prezeroed=1`],
      ...["-d", tree, image, `${sizeMb}M`],
    ],
    { timeoutMs: TIMEOUT_MS, env, signal },
  );
  const { stdout } = await run(["dumpe2fs", image], {
    timeoutMs: TIMEOUT_MS,
    env,
    maxOutput: 64 * MIB,
    signal,
  });
  const commands = join(options.scratch, "debugfs");
  const change = (inode: number) => `set_inode_field <${inode}> ctime @${epoch}\n`;
  await writeFile(commands, `set_current_time @${epoch}\n${usedInodes(stdout).map(change).join("")}`);
  await run(["debugfs", "-w", "-f", commands, image], {
    timeoutMs: TIMEOUT_MS,
    env,
    maxOutput: 256 * MIB,
    signal,
  });
}

/** Numbers of the inodes in use, from what dumpe2fs prints: the root, and all from 11 on that no group calls free. */
export function usedInodes(dump: string): number[] {
  const count = Number(/^Inode count:\s+(\d+)$/m.exec(dump)?.[1]);
  const used = new Uint8Array(count + 1).fill(1);
  for (const [, ranges = ""] of dump.matchAll(/^ {2}Free inodes: (.*)$/gm)) {
    for (const range of ranges.split(", ").filter(Boolean)) {
      const [first = 0, last = first] = range.split("-").map(Number);
      used.fill(0, first, last + 1);
    }
  }
  const FIRST_ORDINARY = 11;
  const ordinary = [...used.keys()].filter((inode) => inode >= FIRST_ORDINARY && used[inode] === 1);
  return [2, ...ordinary];
}
