// The first bytes of a qcow2 file that a guest's VMM could write, read by us and not by a program that would follow them.
import { open } from "node:fs/promises";
import { MIB, WrennError } from "@wrenn/core";

/** What of a qcow2 header decides what else is opened. Source: docs/interop/qcow2.txt of QEMU; big-endian. */
const MAGIC = 0x514649fb;
const HEADER_BYTES = 104;

/**
 * Throws `internal` unless the file is a plain layer of a disk of that size: no backing file by name, no data file
 * beside it, no encryption, no inner snapshots, nothing that a reader has to know first.
 */
export async function checkLayer(path: string, diskMb: number): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES);
  {
    await using file = await open(path, "r");
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0);
    if (bytesRead < HEADER_BYTES) throw refused("it is no qcow2 file");
  }
  const wrong = findWrong(header, BigInt(diskMb) * BigInt(MIB));
  if (wrong !== undefined) throw refused(wrong);
}

function findWrong(header: Buffer, bytes: bigint): string | undefined {
  if (header.readUInt32BE(0) !== MAGIC || header.readUInt32BE(4) !== 3)
    return "it is no qcow2 file of version 3";
  if (header.readBigUInt64BE(8) !== 0n) return "it names a backing file";
  if (header.readBigUInt64BE(24) !== bytes) return "its size is not the disk's";
  if (header.readUInt32BE(32) !== 0) return "it is encrypted";
  if (header.readUInt32BE(60) !== 0) return "it holds snapshots of its own";
  if (header.readBigUInt64BE(72) !== 0n)
    return "it has features that are not used here, or is marked corrupt";
  return undefined;
}

function refused(why: string): WrennError {
  return new WrennError("internal", `a disk layer is refused: ${why}`);
}
