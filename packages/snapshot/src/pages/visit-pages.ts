// Reading every page that a map has, file by file and each file as a whole: only so its checksum says that what was read is
// what was written.
import { WrennError } from "@wrenn/core";
import { PAGE_BYTES, type PageMap, type Segment, segments } from "../mapping/page-map.ts";

/** A part of a memory: its bytes, which are overwritten after the visit, or that it is zero. Offsets in `bytes`. */
export type Piece =
  | { kind: "data"; offset: number; bytes: Uint8Array }
  | { kind: "zero"; offset: number; length: number };

/** Shows a build's file from its beginning to its end. Rejects when that is not what was written. */
export type ReadBuild = (build: string, look: (piece: Buffer, at: number) => void) => Promise<void>;

/**
 * Visits every range of the map: zeros first and whole, then the data in the order in which it is stored, in pieces of at
 * most 1 MiB. With the `difference` of two flat maps this is what turns one memory into the other. When it rejects, what
 * was visited is worth nothing.
 */
export async function visitPages(
  map: PageMap,
  read: ReadBuild,
  visitor: (piece: Piece) => void,
): Promise<void> {
  const stored = new Map<string, Segment[]>();
  for (const segment of segments(map)) {
    const { start, end, build } = segment;
    if (build === null) {
      visitor({ kind: "zero", offset: start * PAGE_BYTES, length: (end - start) * PAGE_BYTES });
      continue;
    }
    const others = stored.get(build);
    if (others) others.push(segment);
    else stored.set(build, [segment]);
  }
  for (const [build, ranges] of stored) {
    const { look, isDone } = picker(ranges, visitor);
    await read(build, look);
    if (!isDone())
      throw new WrennError("internal", `memory of snapshot ${build} ends before what its map refers to`);
  }
}

/** Hands on what the ranges refer to of a file that is shown in order. */
function picker(ranges: Segment[], visitor: (piece: Piece) => void) {
  // They are in order already, unless somebody else has made the map.
  ranges.sort((a, b) => a.offset - b.offset);
  let next = 0;
  let open: Segment[] = [];
  const isDone = () => next === ranges.length && open.length === 0;
  const look = (piece: Buffer, at: number) => {
    const end = at + piece.length;
    for (let range = ranges[next]; range && placeOf(range) < end; range = ranges[next]) {
      open.push(range);
      next += 1;
    }
    for (const range of open) {
      const place = placeOf(range);
      const from = Math.max(place, at);
      const bytes = piece.subarray(from - at, Math.min(endOf(range), end) - at);
      visitor({ kind: "data", offset: range.start * PAGE_BYTES + from - place, bytes });
    }
    open = open.filter((range) => endOf(range) > end);
  };
  return { look, isDone };
}

/** Where a range lies in its file. */
function placeOf({ offset }: Segment): number {
  return offset * PAGE_BYTES;
}

function endOf({ start, end, offset }: Segment): number {
  return (offset + end - start) * PAGE_BYTES;
}
