// Finding pages in a map without walking it.
import { type PageMap, type Segment, segmentAt } from "./page-map.ts";

/** Index of the range that holds a page, or -1 when none does (unchanged). Takes log2 of the ranges. */
export function lookUp({ starts, ends }: PageMap, page: number): number {
  const index = firstEndingAfter(ends, page);
  return index < starts.length && (starts[index] as number) <= page ? index : -1;
}

/** The parts of ranges that lie between two pages, in order; of a diff with the gaps left out. */
export function* slice(map: PageMap, from: number, to: number): Generator<Segment> {
  for (let i = firstEndingAfter(map.ends, from); i < map.starts.length; i++) {
    const segment = segmentAt(map, i);
    const start = Math.max(segment.start, from);
    if (start >= to) return;
    const offset = segment.build === null ? 0 : segment.offset + start - segment.start;
    yield { start, end: Math.min(segment.end, to), build: segment.build, offset };
  }
}

/** Index of the first range that ends after a page; the number of ranges when none does. */
export function firstEndingAfter(ends: Uint32Array, page: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] as number) > page) high = middle;
    else low = middle + 1;
  }
  return low;
}
