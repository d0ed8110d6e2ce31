// Moving the pages of old builds into a new one.
import { setImmediate } from "node:timers/promises";
import { PAGE_BYTES, type PageMap, PageMapBuilder, segments } from "../mapping/page-map.ts";
import { PAGE_BUFFER_BYTES } from "./page-buffers.ts";
import type { PageFile } from "./page-file.ts";
import type { PageSource } from "./page-source.ts";

const BUFFER_PAGES = PAGE_BUFFER_BYTES / PAGE_BYTES;

export interface CopyPagesOptions {
  /** Id of the build that `file` belongs to. */
  build: string;
  source: PageSource;
  /** Builds whose pages are copied. All others are still referred to afterwards. */
  builds: ReadonlySet<string>;
  file: PageFile;
  signal?: AbortSignal | undefined;
}

/** Appends those pages in the order in which they lie in memory. Returns the source's map, changed accordingly. */
export async function copyPages({ build, source, builds, file, signal }: CopyPagesOptions): Promise<PageMap> {
  const out = new PageMapBuilder(source.map.pages);
  let copied = 0;
  let buffer = await file.buffer();
  let filled = 0;
  const hand = () => {
    file.append(buffer, filled * PAGE_BYTES);
    filled = 0;
  };
  for (const segment of segments(source.map)) {
    if (segment.build === null || !builds.has(segment.build)) {
      out.append(segment.start, segment.end, segment.build, segment.offset);
      continue;
    }
    out.append(segment.start, segment.end, build, copied);
    for (let page = segment.start; page < segment.end; ) {
      const count = Math.min(segment.end - page, BUFFER_PAGES - filled);
      source.read(page, buffer.subarray(filled * PAGE_BYTES, (filled + count) * PAGE_BYTES));
      page += count;
      filled += count;
      copied += count;
      if (filled < BUFFER_PAGES) continue;
      hand();
      await setImmediate();
      signal?.throwIfAborted();
      buffer = await file.buffer();
    }
  }
  hand();
  return out.finish();
}
