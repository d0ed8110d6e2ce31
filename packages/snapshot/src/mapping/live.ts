// How much of each build a map still uses.
import { type PageMap, segments } from "./page-map.ts";

/** Pages that a map refers to in each of its builds. A page of a file that two ranges share counts twice. */
export function livePages(map: PageMap): Map<string, number> {
  const live = new Map<string, number>();
  for (const { start, end, build } of segments(map)) {
    if (build !== null) live.set(build, (live.get(build) ?? 0) + end - start);
  }
  return live;
}
