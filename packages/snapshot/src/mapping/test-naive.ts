// For tests: maps as arrays with one entry for each page, and how to make arbitrary ones.
import fc from "fast-check";
import { type PageMap, pageMap, type Segment, segments } from "./page-map.ts";

/** Undefined = unchanged, "zero", or where the page is stored. */
export type NaivePage = undefined | "zero" | { build: string; offset: number };
export type NaiveMap = NaivePage[];

export const BUILDS = ["a", "b", "c"].map((letter) => letter.repeat(32));

export function toNaive(map: PageMap): NaiveMap {
  const pages: NaiveMap = new Array(map.pages).fill(undefined);
  for (const { start, end, build, offset } of segments(map)) {
    for (let page = start; page < end; page++) {
      pages[page] = build === null ? "zero" : { build, offset: offset + page - start };
    }
  }
  return pages;
}

/** One range for each page: the map's own joining is what is tested. */
export function fromNaive(pages: NaiveMap): PageMap {
  return pageMap(pages.length, pages.flatMap(toSegment));
}

function toSegment(page: NaivePage, start: number): Segment[] {
  if (page === undefined) return [];
  const place = page === "zero" ? { build: null, offset: 0 } : page;
  return [{ start, end: start + 1, ...place }];
}

const zero = fc.constant<NaivePage>("zero");
/** Few builds and few offsets, so that neighbours often belong together. */
const stored = fc.record({ build: fc.constantFrom(...BUILDS), offset: fc.nat(6) });
const unchanged = fc.constant<NaivePage>(undefined);

/** Runs of one kind, in which stored pages follow each other. */
function runs(kinds: fc.Arbitrary<NaivePage>, pages: number): fc.Arbitrary<NaiveMap> {
  const run = fc
    .tuple(kinds, fc.integer({ min: 1, max: 6 }))
    .map(([first, length]) =>
      Array.from({ length }, (_, i) =>
        typeof first === "object" ? { build: first.build, offset: first.offset + i } : first,
      ),
    );
  return fc.array(run, { minLength: pages, maxLength: pages }).map((all) => all.flat().slice(0, pages));
}

export const arbitraryDiff = (pages: number): fc.Arbitrary<NaiveMap> =>
  runs(fc.oneof(zero, stored, unchanged), pages);

export const arbitraryFlat = (pages: number): fc.Arbitrary<NaiveMap> => runs(fc.oneof(zero, stored), pages);

export const arbitraryPages: fc.Arbitrary<number> = fc.integer({ min: 1, max: 40 });
