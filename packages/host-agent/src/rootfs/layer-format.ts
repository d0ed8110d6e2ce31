// Which way of keeping disks wrote a frozen layer: told by its first bytes, since a host may have changed its way.
import { open } from "node:fs/promises";
import { WrennError } from "@wrenn/core";

/** The first bytes: of a qcow2 file, and of the file of a persistent device-mapper snapshot. */
const MAGIC = { qcow2: Buffer.from("QFI\xfb", "latin1"), dm: Buffer.from("SnAp") } as const;

export type LayerFormat = keyof typeof MAGIC;

/**
 * Throws `snapshot_incompatible` unless all of the files were written in that way, and `snapshot_damaged` for one that is
 * not there or was written in none.
 */
export async function assertLayersAre(format: LayerFormat, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const found = await formatOf(path);
    if (found === format) continue;
    if (found === undefined) throw new WrennError("snapshot_damaged", "a layer of the saved disk is damaged");
    throw new WrennError(
      "snapshot_incompatible",
      `the disk was saved on a host that keeps disks as ${found}, and this one keeps them as ${format}; ` +
        `WRENN_ROOTFS=${found} forces the other way`,
    );
  }
}

async function formatOf(path: string): Promise<LayerFormat | undefined> {
  await using file = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
    throw new WrennError("snapshot_damaged", "a layer of the saved disk is gone", { cause });
  });
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
  const start = buffer.subarray(0, bytesRead);
  return (Object.keys(MAGIC) as LayerFormat[]).find((format) => MAGIC[format].equals(start));
}
