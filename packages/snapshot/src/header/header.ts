// `header.bin`: which pages of a memory lie where, in a form that is checked before it is believed.
import { crc32 } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { isFlat, MAX_BUILDS, PAGE_BYTES, type PageMap, PageMapBuilder } from "../mapping/page-map.ts";

/*
 * Little-endian:
 *    0   8  magic "WRENNSNP"
 *    8   4  version, 1
 *   12   4  CRC-32 of everything from byte 16 on
 *   16   4  block size, bytes
 *   20   4  generation
 *   24   8  memory size, bytes
 *   32  16  build id
 *   48  16  base build id; zeros = none
 *   64   4  number of builds
 *   68   4  number of ranges
 *   72      builds: 16 bytes each
 *           ranges: first page, owner (0 = zero, n = the nth build), first block in its file; 4 bytes each.
 *           A range ends where the next one starts, the last one with the memory.
 */
const MAGIC = "WRENNSNP";
const VERSION = 1;
const CHECKED_FROM = 16;
const FIXED_BYTES = 72;
const BUILD_BYTES = 16;
const RANGE_BYTES = 12;
const NO_BUILD = "0".repeat(32);

export interface Header {
  generation: number;
  /** Id of the build that this header belongs to. */
  build: string;
  /** Build whose whole memory a machine is started from before the difference is filled in. */
  base: string | null;
  /** Flat. */
  map: PageMap;
}

export function encodeHeader({ generation, build, base, map }: Header): Buffer<ArrayBuffer> {
  if (!isFlat(map)) throw new WrennError("internal", "only a flat map describes a snapshot");
  const ranges = FIXED_BYTES + map.builds.length * BUILD_BYTES;
  const bytes = Buffer.alloc(ranges + map.starts.length * RANGE_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(PAGE_BYTES, 16);
  bytes.writeUInt32LE(generation, 20);
  bytes.writeBigUInt64LE(BigInt(map.pages) * BigInt(PAGE_BYTES), 24);
  bytes.write(build, 32, "hex");
  bytes.write(base ?? NO_BUILD, 48, "hex");
  bytes.writeUInt32LE(map.builds.length, 64);
  bytes.writeUInt32LE(map.starts.length, 68);
  for (const [i, id] of map.builds.entries()) bytes.write(id, FIXED_BYTES + i * BUILD_BYTES, "hex");
  for (let i = 0, at = ranges; i < map.starts.length; i++, at += RANGE_BYTES) {
    bytes.writeUInt32LE(map.starts[i] as number, at);
    bytes.writeUInt32LE(map.owners[i] as number, at + 4);
    bytes.writeUInt32LE(map.offsets[i] as number, at + 8);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(CHECKED_FROM)), 12);
  return bytes;
}

/** Throws `internal` with the reason for anything but what {@link encodeHeader} makes. */
export function decodeHeader(bytes: Buffer): Header {
  if (bytes.length < FIXED_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) throw damaged("no header");
  if (bytes.readUInt32LE(8) !== VERSION) throw damaged(`version ${bytes.readUInt32LE(8)} is not known here`);
  const builds = bytes.readUInt32LE(64);
  const count = bytes.readUInt32LE(68);
  const ranges = FIXED_BYTES + builds * BUILD_BYTES;
  if (builds > MAX_BUILDS || bytes.length !== ranges + count * RANGE_BYTES)
    throw damaged("its length is wrong");
  if (crc32(bytes.subarray(CHECKED_FROM)) !== bytes.readUInt32LE(12)) throw damaged("its checksum is wrong");
  if (bytes.readUInt32LE(16) !== PAGE_BYTES) throw damaged(`blocks of ${bytes.readUInt32LE(16)} bytes`);
  const pages = Number(bytes.readBigUInt64LE(24)) / PAGE_BYTES;
  const ids = Array.from({ length: builds }, (_, i) => idAt(bytes, FIXED_BYTES + i * BUILD_BYTES));
  const map = decodeMap(bytes.subarray(ranges), { pages, ids });
  const base = idAt(bytes, 48);
  return {
    generation: bytes.readUInt32LE(20),
    build: idAt(bytes, 32),
    base: base === NO_BUILD ? null : base,
    map,
  };
}

function decodeMap(rows: Buffer, { pages, ids }: { pages: number; ids: string[] }): PageMap {
  const out = new PageMapBuilder(pages);
  for (let at = 0; at < rows.length; at += RANGE_BYTES) {
    const next = at + RANGE_BYTES;
    const owner = rows.readUInt32LE(at + 4);
    const build = owner === 0 ? null : ids[owner - 1];
    if (build === undefined) throw damaged("a range refers to a build that is not listed");
    const end = next < rows.length ? rows.readUInt32LE(next) : pages;
    out.append(rows.readUInt32LE(at), end, build, rows.readUInt32LE(at + 8));
  }
  const map = out.finish();
  if (!isFlat(map) || map.builds.join() !== ids.join()) throw damaged("its ranges do not cover the memory");
  return map;
}

function idAt(bytes: Buffer, at: number): string {
  return bytes.toString("hex", at, at + BUILD_BYTES);
}

function damaged(why: string): WrennError {
  return new WrennError("internal", `a snapshot's header is damaged: ${why}`);
}
