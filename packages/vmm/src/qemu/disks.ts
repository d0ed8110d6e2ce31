// Disks of a running QEMU: a further layer, and requests that failed.
import { statfsSync } from "node:fs";
import { MIB, WrennError } from "@wrenn/core";
import { layerNodes, nodeName, parseNodeName } from "./block-nodes.ts";
import type { QmpSession } from "./session.ts";

/** Merging is due long before; QEMU opens every layer. */
const MAX_LAYERS = 64;
/** Attaching a layer flushes the one below to the host's disk. */
const FLUSH_TIMEOUT_MS = 60_000;

/** A request needs room for its clusters of 64 KiB and their tables. */
const FULL_BELOW_BYTES = MIB;

interface BlockInfo {
  qdev?: string;
  inserted?: { "node-name"?: string };
}

/**
 * Puts a layer, `filename` as QEMU sees it, on top of a disk. Throws `capacity` before anything is tried when there are too
 * many; when it fails otherwise the disk is as before, unless QEMU was too slow to answer.
 */
export async function addDiskLayer(
  session: QmpSession,
  diskId: string,
  layer: { filename: string; format: "raw" | "qcow2" | "device" },
): Promise<void> {
  if (layer.format !== "qcow2") throw new WrennError("invalid_argument", "only qcow2 layers can be added");
  const top = await topLayer(session, diskId);
  const index = top + 1;
  if (index >= MAX_LAYERS)
    throw new WrennError(
      "capacity",
      `disk ${diskId} has ${MAX_LAYERS} layers already, one for each fork and snapshot; pause and resume it to merge them`,
    );
  const nodes = layerNodes({ diskId, index, ...layer, readOnly: false, backing: null });
  const added: unknown[] = [];
  try {
    for (const node of nodes) {
      await session.execute("blockdev-add", node);
      added.push(node["node-name"]);
    }
    const overlay = { node: nodeName(diskId, top), overlay: nodeName(diskId, index) };
    await session.execute("blockdev-snapshot", overlay, { timeoutMs: FLUSH_TIMEOUT_MS });
  } catch (reason) {
    // Refused when it has become part of the disk after all; then the next call sees that.
    for (const name of added.toReversed()) {
      await session.execute("blockdev-del", { "node-name": name }).catch(() => {});
    }
    throw reason;
  }
}

/** QEMU is asked rather than remembered: layers may have been added through an earlier process of this platform. */
async function topLayer(session: QmpSession, diskId: string): Promise<number> {
  const devices = await session.execute<BlockInfo[]>("query-block");
  const device = devices.find(({ qdev }) => qdev?.split("/").includes(diskId));
  const name = device?.inserted?.["node-name"];
  const node = name === undefined ? undefined : parseNodeName(name);
  if (node?.diskId !== diskId) throw new WrennError("not_found", `the machine has no disk ${diskId}`);
  return node.index;
}

/**
 * Reads a BLOCK_IO_ERROR event (block-core.json of QEMU) of a machine whose layers are in `dir`. QEMU itself tells a full
 * disk apart only from machines that it stops for it, so the file system is asked how much room is left.
 */
export function diskErrorOf(
  data: Record<string, unknown>,
  dir: string,
): { diskId: string; enospc: boolean } | undefined {
  const name = data["node-name"];
  const node = typeof name === "string" ? parseNodeName(name) : undefined;
  return node && { diskId: node.diskId, enospc: data["operation"] === "write" && isFull(dir) };
}

function isFull(dir: string): boolean {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize < FULL_BELOW_BYTES;
}
