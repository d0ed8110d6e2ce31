// Several frozen layers of a disk become one that says the same.
import { constants } from "node:fs";
import { chmod, chown, copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MIB, WrennError } from "@wrenn/core";
import type { Cgroup } from "@wrenn/linux";
import { confinedQemuImg, INSIDE } from "./confined-qemu-img.ts";
import { checkLayer } from "./qcow2-header.ts";

/** What merging needs of the machine. */
export interface MergeHelp {
  /** Path of an image. */
  image: (sha256: string) => string;
  /** User that qemu-img runs under; nobody else's while it runs. */
  uid: number;
  cgroup?: Cgroup | undefined;
}

export interface MergeLayersOptions {
  /** Layers that stay, bottom first. */
  below: readonly { path: string; format: "raw" | "qcow2" }[];
  /** Layers that become one, bottom first; only read. */
  layers: readonly string[];
  /** Size that the guest sees, `MiB`. */
  diskMb: number;
  /** Directory to make and work in. What is left in it is the caller's to remove. */
  scratch: string;
  help: MergeHelp;
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 15 * 60_000;
/** The lowest layer's copy, into which the others go. */
const RESULT = "merged.qcow2";
/** qemu-img wants to write to the layer that it commits, though it changes nothing in it. */
const UPPER = "upper.qcow2";

/**
 * Path of the new layer, below `scratch`. Clusters that none of the layers has stay unallocated, so that what is below
 * shows through, and zeros that a guest wrote stay zeros: `qemu-img commit` knows both, `convert` neither. Every file is
 * named on the command line, none by another file's header, and whatever a header makes QEMU do, it does as `uid`, in
 * sight of these files alone.
 */
export async function mergeLayers(options: MergeLayersOptions): Promise<string> {
  const { layers, diskMb, scratch, help } = options;
  const [lowest, ...uppers] = layers;
  if (lowest === undefined) throw new WrennError("internal", "there are no disk layers to merge");
  for (const layer of layers) await checkLayer(layer, diskMb);
  const work = join(scratch, "work");
  await mkdir(work, { recursive: true, mode: 0o700 });
  await chown(work, help.uid, help.uid);
  await copyFor(help.uid, lowest, join(work, RESULT));
  for (const upper of uppers) {
    await copyFor(help.uid, upper, join(work, UPPER));
    await qemuImg(options, work, ["commit", "-q", "-d", chain(options.below, [RESULT, UPPER])]);
  }
  // A machine that was killed may have left clusters that are counted and used by nothing. They are harmless, and of this copy.
  await qemuImg(options, work, ["check", "-q", "-r", "leaks", `json:${JSON.stringify(qcow2(RESULT, null))}`]);
  await checkLayer(join(work, RESULT), diskMb);
  return join(work, RESULT);
}

function qemuImg(options: MergeLayersOptions, work: string, args: readonly string[]): Promise<void> {
  return confinedQemuImg({
    args,
    layers: options.below.map(({ path }) => path),
    work,
    logDir: options.scratch,
    uid: options.help.uid,
    // All data, and tables for it: 8 bytes and 2 of reference counts for each cluster of 64 KiB.
    maxFileBytes: options.diskMb * MIB + Math.ceil((options.diskMb * MIB) / 1024) + 16 * MIB,
    cgroup: options.help.cgroup,
    timeoutMs: TIMEOUT_MS,
    signal: options.signal,
  });
}

async function copyFor(uid: number, from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
  await chown(to, uid, uid);
}

type Node = Record<string, unknown> | null;

/** All layers as one image, as qemu-img sees them: what stays, then files of the work directory. */
function chain(below: MergeLayersOptions["below"], work: readonly string[]): string {
  let node: Node = null;
  for (const [index, { format }] of below.entries()) {
    const file = { driver: "file", filename: INSIDE.layer(index), "read-only": true };
    node = { driver: format, "read-only": true, file, ...(format === "qcow2" && { backing: node }) };
  }
  for (const name of work) node = qcow2(name, node);
  return `json:${JSON.stringify(node)}`;
}

/** `backing: null` is "none", whatever the header says. */
function qcow2(name: string, backing: Node): Node {
  return { driver: "qcow2", file: { driver: "file", filename: INSIDE.work(name) }, backing };
}
