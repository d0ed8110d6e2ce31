// Device-mapper tables and sizes, computed and nothing else.
// Source: the kernel's admin-guide/device-mapper/{snapshot,linear,zero}.rst and drivers/md/dm-snap-persistent.c.

export const SECTOR_BYTES = 512;
/** What is copied when a part of it is written first, `bytes`: the page size, and the block size of the file systems above. */
export const CHUNK_BYTES = 4096;
const CHUNK_SECTORS = CHUNK_BYTES / SECTOR_BYTES;
/** A chunk of metadata has room for so many entries of 16 bytes, each for one chunk of data. */
const ENTRIES_PER_CHUNK = CHUNK_BYTES / 16;

/**
 * Size of a copy-on-write file that cannot overflow, `bytes`: every chunk of the origin, one of metadata for each 256 of
 * them, the header, and the next chunk of metadata, which the kernel clears before it is needed.
 */
export function cowBytes(originBytes: number): number {
  const chunks = Math.ceil(originBytes / CHUNK_BYTES);
  return (chunks + Math.ceil(chunks / ENTRIES_PER_CHUNK) + 2) * CHUNK_BYTES;
}

/** Reads come from the origin until a chunk is written, which then lives in the copy-on-write device, also the next time. */
export function snapshotTable(parts: { origin: string; cow: string; bytes: number }): string {
  return `0 ${sectors(parts.bytes)} snapshot ${parts.origin} ${parts.cow} P ${CHUNK_SECTORS}`;
}

/** An image and zeros behind it up to a size, as one device: a disk may be larger than what its template was built for. */
export function originTable(parts: { image: string; imageBytes: number; bytes: number }): string {
  const image = sectors(parts.imageBytes);
  const rest = sectors(parts.bytes) - image;
  return `0 ${image} linear ${parts.image} 0\n${image} ${rest} zero`;
}

export type SnapshotStatus =
  | {
      state: "active";
      /** Bytes of the copy-on-write device that hold something, metadata among it. */
      usedBytes: number;
      totalBytes: number;
    }
  /** `invalid`: a write to the copy-on-write device has failed; what was written is lost. `other`: not a snapshot. */
  | { state: "invalid" | "overflow" | "other" };

/** Reads the status line of a snapshot: `0 2048 snapshot 16/4128 8`, in sectors. */
export function parseSnapshotStatus(line: string): SnapshotStatus {
  const [, , target, fill = ""] = line.trim().split(/\s+/);
  if (target !== "snapshot") return { state: "other" };
  if (fill === "Invalid" || fill === "Merge") return { state: "invalid" };
  if (fill === "Overflow") return { state: "overflow" };
  const [, used, total] = /^(\d+)\/(\d+)$/.exec(fill) ?? [];
  if (used === undefined) return { state: "other" };
  return {
    state: "active",
    usedBytes: Number(used) * SECTOR_BYTES,
    totalBytes: Number(total) * SECTOR_BYTES,
  };
}

function sectors(bytes: number): number {
  return Math.floor(bytes / SECTOR_BYTES);
}
