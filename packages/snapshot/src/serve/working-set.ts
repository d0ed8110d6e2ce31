// `working-set.bin`: the pages that machines touched between their resume and their guest's word that its init runs, so
// that the next one finds them loaded. A hint: losing it costs time only, and whatever is wrong with it makes it empty.
import { crc32 } from "node:zlib";
import type { PageRange } from "@wrenn/core";

/*
 * Little-endian:
 *    0   8  magic "WRENNWSS"
 *    8   4  version, 1
 *   12   4  CRC-32 of everything from byte 16 on
 *   16   4  pages of the whole memory
 *   20   4  number of ranges
 *   24      ranges in the order in which they were touched: first page, pages; 4 bytes each
 */
const MAGIC = "WRENNWSS";
const VERSION = 1;
const CHECKED_FROM = 16;
const FIXED_BYTES = 24;
const RANGE_BYTES = 8;

/** Share of a memory that may be loaded unasked: more would not be lazy any more. */
const MAX_SHARE = 1 / 8;
const MAX_RANGES = 32_768;

/** Largest file that is read, `bytes`. */
export const MAX_WORKING_SET_BYTES: number = FIXED_BYTES + MAX_RANGES * RANGE_BYTES;

/**
 * Ranges as they may be recorded: each page of the memory once, in the order of the first touch, an eighth of the memory
 * at most.
 */
export function workingSetOf(touched: Iterable<PageRange>, pages: number): PageRange[] {
  const seen = new Uint8Array(pages);
  const ranges: PageRange[] = [];
  let left = Math.floor(pages * MAX_SHARE);
  for (const { start, count } of touched) {
    for (let page = Math.max(0, start); page < Math.min(start + count, pages) && left > 0; page++) {
      if (seen[page] === 1) continue;
      seen[page] = 1;
      const last = ranges.at(-1);
      if (last && last.start + last.count === page) last.count += 1;
      else if (ranges.length === MAX_RANGES) return ranges;
      else ranges.push({ start: page, count: 1 });
      left -= 1;
    }
  }
  return ranges;
}

/** `ranges` as {@link workingSetOf} gives them. */
export function encodeWorkingSet(ranges: readonly PageRange[], pages: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(FIXED_BYTES + ranges.length * RANGE_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(pages, 16);
  bytes.writeUInt32LE(ranges.length, 20);
  for (const [i, { start, count }] of ranges.entries()) {
    bytes.writeUInt32LE(start, FIXED_BYTES + i * RANGE_BYTES);
    bytes.writeUInt32LE(count, FIXED_BYTES + i * RANGE_BYTES + 4);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(CHECKED_FROM)), 12);
  return bytes;
}

/** What was recorded for a memory of so many pages; undefined for anything but what {@link encodeWorkingSet} makes. */
export function decodeWorkingSet(bytes: Buffer, pages: number): PageRange[] | undefined {
  if (bytes.length < FIXED_BYTES || bytes.length > MAX_WORKING_SET_BYTES) return undefined;
  if (bytes.toString("latin1", 0, 8) !== MAGIC || bytes.readUInt32LE(8) !== VERSION) return undefined;
  if (crc32(bytes.subarray(CHECKED_FROM)) !== bytes.readUInt32LE(12)) return undefined;
  const count = bytes.readUInt32LE(20);
  if (bytes.readUInt32LE(16) !== pages || bytes.length !== FIXED_BYTES + count * RANGE_BYTES)
    return undefined;
  const ranges = Array.from({ length: count }, (_, i) => ({
    start: bytes.readUInt32LE(FIXED_BYTES + i * RANGE_BYTES),
    count: bytes.readUInt32LE(FIXED_BYTES + i * RANGE_BYTES + 4),
  }));
  // Also what a checksum does not find: a file that somebody else has made.
  const proper = workingSetOf(ranges, pages);
  return proper.length === count && proper.every((range, i) => isSame(range, ranges[i])) ? ranges : undefined;
}

function isSame(a: PageRange, b: PageRange | undefined): boolean {
  return a.start === b?.start && a.count === b.count;
}
