// When old builds and disk layers are worth rewriting. Pure.
import { MIB } from "@wrenn/core";
import { PAGE_BYTES } from "../mapping/page-map.ts";

export interface CompactPolicy {
  /** Builds that a snapshot may refer to besides its base's. */
  maxBuilds: number;
  /** Bytes that may be kept on disk for nothing, as long as they are also less than what is in use. */
  maxDeadBytes: number;
  /** Disk layers above the image. */
  maxLayers: number;
}

export const COMPACT_POLICY: CompactPolicy = { maxBuilds: 16, maxDeadBytes: 64 * MIB, maxLayers: 8 };

/** How much of a build's file a snapshot uses, in pages. */
export interface BuildUse {
  id: string;
  live: number;
  stored: number;
}

/**
 * The builds whose pages a snapshot should have in a file of its own, so that it refers to few builds and keeps little
 * for nothing. Builds that stay in any case (the base's) must not be given. The builds with the least to copy go first,
 * and others with them as long as they are no larger than those before them together: so each page is copied a number of
 * times that grows with the logarithm of the generations, not with their number.
 */
export function buildsToRewrite(uses: readonly BuildUse[], policy: CompactPolicy = COMPACT_POLICY): string[] {
  const fewestFirst = uses.toSorted((a, b) => a.live - b.live || compare(a.id, b.id));
  const many = tier(
    fewestFirst.map((use) => use.live),
    policy.maxBuilds,
  );
  const rewritten = new Set(fewestFirst.slice(0, many).map(({ id }) => id));
  const live = sum(uses.map((use) => use.live));
  const bound = Math.max(policy.maxDeadBytes / PAGE_BYTES, live);
  const left = () => uses.filter(({ id }) => !rewritten.has(id));
  const dead = () => sum(left().map((use) => use.stored - use.live));
  while (dead() > bound) {
    const [worst] = left().toSorted((a, b) => share(a) - share(b) || compare(a.id, b.id));
    if (!worst) break;
    rewritten.add(worst.id);
  }
  return uses.map(({ id }) => id).filter((id) => rewritten.has(id));
}

/** How many of a disk's layers, counted from the top, become one; 0 = none. `bytes` are their sizes, bottom first. */
export function layersToMerge(bytes: readonly number[], policy: CompactPolicy = COMPACT_POLICY): number {
  return tier(bytes.toReversed(), policy.maxLayers);
}

/** How many of the first sizes become one so that at most `max` are left; more while the next is not the larger part. */
function tier(sizes: readonly number[], max: number): number {
  if (sizes.length <= max) return 0;
  let count = Math.min(sizes.length - max + 1, sizes.length);
  for (let together = sum(sizes.slice(0, count)); count < sizes.length; count++) {
    const next = sizes[count] ?? 0;
    if (next > together) break;
    together += next;
  }
  return count;
}

function share({ live, stored }: BuildUse): number {
  return stored === 0 ? 0 : live / stored;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
