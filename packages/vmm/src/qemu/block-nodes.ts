// QEMU's graph of block nodes for a disk: two nodes a layer, named after disk and position.

export interface LayerNodes {
  diskId: string;
  /** Position from the bottom, 0 first. */
  index: number;
  /** As QEMU sees it. */
  filename: string;
  format: "raw" | "qcow2" | "device";
  readOnly: boolean;
  /** Name of the node below, null for none. */
  backing: string | null;
}

/** Node of a layer as its format is understood; disk ids are letters, so no two names are equal. */
export function nodeName(diskId: string, index: number): string {
  return `${diskId}${index}`;
}

/** Disk and position behind the name of either node of a layer. */
export function parseNodeName(name: string): { diskId: string; index: number } | undefined {
  const match = /^([a-z]+)(\d{1,4})f?$/.exec(name);
  return match?.[1] === undefined ? undefined : { diskId: match[1], index: Number(match[2]) };
}

/**
 * The nodes of one layer, lower one first, for `-blockdev` and `blockdev-add` (block-core.json of QEMU). The backing
 * node is given explicitly: whatever a header that the guest's VMM could have written names is never opened.
 */
export function layerNodes(layer: LayerNodes): [Record<string, unknown>, Record<string, unknown>] {
  const { diskId, index, readOnly } = layer;
  const access = { "read-only": readOnly, ...(readOnly ? {} : { discard: "unmap" }) };
  const isDevice = layer.format === "device";
  const file = {
    driver: isDevice ? "host_device" : "file",
    "node-name": `${nodeName(diskId, index)}f`,
    filename: layer.filename,
    // A lock would keep clones from sharing a base; private layers have one user by construction.
    locking: "off",
    // The pages of a device would be kept twice: for the device, and for the file behind it.
    ...(isDevice ? { cache: { direct: true } } : {}),
    ...access,
  };
  const format = {
    driver: isDevice ? "raw" : layer.format,
    "node-name": nodeName(diskId, index),
    file: file["node-name"],
    ...access,
    ...(layer.format === "qcow2" ? { backing: layer.backing } : {}),
  };
  return [file, format];
}
