// What has to be written into one memory to turn it into another.
import { WrennError } from "@wrenn/core";
import { isFlat, type PageMap, PageMapBuilder, segmentAt } from "./page-map.ts";

/**
 * The ranges of `child` that do not come from the same place in `base`, as a diff: laid over `base` it gives `child`.
 * Places are compared, not contents. Both are flat and of one size.
 */
export function difference(base: PageMap, child: PageMap): PageMap {
  if (base.pages !== child.pages || !isFlat(base) || !isFlat(child)) {
    throw new WrennError("internal", "only flat maps of one size have a difference");
  }
  const out = new PageMapBuilder(child.pages);
  let at = 0;
  for (let c = 0; c < child.starts.length; c++) {
    const mine = segmentAt(child, c);
    for (let page = mine.start; page < mine.end; ) {
      while ((base.ends[at] as number) <= page) at += 1;
      const theirs = segmentAt(base, at);
      const end = Math.min(mine.end, theirs.end);
      const offset = mine.build === null ? 0 : mine.offset + page - mine.start;
      const same =
        mine.build === theirs.build &&
        (mine.build === null || offset === theirs.offset + page - theirs.start);
      if (!same) out.append(page, end, mine.build, offset);
      page = end;
    }
  }
  return out.finish();
}
