// Which pages of a private mapping a process has for itself.
// Source: Documentation/admin-guide/mm/pagemap.rst of the kernel: one little-endian u64 per page.
import { read } from "node:fs";
import { promisify } from "node:util";

/** The bits of an entry that matter here, as bits of its upper half. */
const PRESENT = 1 << 31;
const SWAPPED = 1 << 30;
/** Set while the page is one of a file's (or of shared memory): not copied yet. */
const OF_FILE = 1 << 29;

const ENTRY_BYTES = 8;
/** Entries of 256 MiB of memory at a time: few calls, and no long stop of the event loop. */
const CHUNK_BYTES = 512 * 1024;
const readAt = promisify(read);

/**
 * Numbers, counted from `firstPage` and ascending, of those of `pages` pages that are private: in memory or swapped
 * out, and not a file's. `fd` is an open `/proc/PID/pagemap`. Undefined when its process has ended.
 */
export async function privatePagesOf(
  fd: number,
  firstPage: number,
  pages: number,
): Promise<Uint32Array | undefined> {
  const found = new Uint32Array(pages);
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, pages * ENTRY_BYTES));
  let count = 0;
  for (let page = 0; page < pages; ) {
    const wanted = Math.min(chunk.length, (pages - page) * ENTRY_BYTES);
    const { bytesRead } = await readAt(fd, chunk, 0, wanted, (firstPage + page) * ENTRY_BYTES);
    const entries = Math.floor(bytesRead / ENTRY_BYTES);
    if (entries === 0) return undefined;
    count = collectPrivate(chunk.subarray(0, entries * ENTRY_BYTES), page, found, count);
    page += entries;
  }
  return found.slice(0, count);
}

/** Appends the private pages among `entries`, of which the first is page `base`, to `found`; returns the new count. */
export function collectPrivate(entries: Uint8Array, base: number, found: Uint32Array, count: number): number {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, entries.byteLength / 4);
  let end = count;
  for (let i = 1; i < words.length; i += 2) {
    const upper = words[i] ?? 0;
    if ((upper & (PRESENT | SWAPPED)) !== 0 && (upper & OF_FILE) === 0) found[end++] = base + (i >> 1);
  }
  return end;
}
