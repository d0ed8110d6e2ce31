// Laying one map over another: how a diff becomes the child's flat map.
import { WrennError } from "@wrenn/core";
import { type PageMap, PageMapBuilder, segmentAt } from "./page-map.ts";

/**
 * What `upper` says, and where it says nothing, what `lower` says. Over a flat map the result is flat. Associative:
 * diffs may be joined first and laid over their parent later. Takes time in the number of ranges.
 */
export function merge(lower: PageMap, upper: PageMap): PageMap {
  if (lower.pages !== upper.pages) {
    throw new WrennError("internal", `maps of ${lower.pages} and ${upper.pages} pages do not merge`);
  }
  const out = new PageMapBuilder(lower.pages);
  let at = 0;
  let covered = 0;
  for (let u = 0; u < upper.starts.length; u++) {
    const over = segmentAt(upper, u);
    at = copy(lower, at, { from: covered, to: over.start, out });
    out.append(over.start, over.end, over.build, over.offset);
    covered = over.end;
  }
  copy(lower, at, { from: covered, to: lower.pages, out });
  return out.finish();
}

/** Copies what a map says between two pages; returns the index of the range to go on with. */
function copy(
  map: PageMap,
  at: number,
  { from, to, out }: { from: number; to: number; out: PageMapBuilder },
): number {
  let index = at;
  while (index < map.ends.length && (map.ends[index] as number) <= from) index += 1;
  while (index < map.starts.length && (map.starts[index] as number) < to) {
    const { start, end, build, offset } = segmentAt(map, index);
    const first = Math.max(start, from);
    const last = Math.min(end, to);
    if (last > first) out.append(first, last, build, offset + first - start);
    if (end > to) break;
    index += 1;
  }
  return index;
}
