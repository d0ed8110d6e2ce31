// Bulk bytes on their way through a process: the buffers that they leave behind.
import type { Readable } from "node:stream";

const MIB = 1024 * 1024;

/**
 * After how many bytes their buffers are collected. For every 8 to 30 MiB outside of its heap V8 marks
 * the whole heap, though the buffers are young and dead: to collect the young generation takes a third of a millisecond.
 * At 4 MiB some marking begins all the same (docs/decisions/0005).
 */
const COLLECT_EVERY_BYTES = 2 * MIB;

let passed = 0;

/**
 * A stream whose bytes are relayed and not kept. Call it where the stream is piped: it begins to flow. Does nothing but
 * count in a process that was started without `--expose-gc`.
 */
export function relayed<T extends Readable>(source: T): T {
  return source.on("data", countBytes);
}

function countBytes(chunk: Buffer | string): void {
  passed += chunk.length;
  if (passed < COLLECT_EVERY_BYTES) return;
  passed = 0;
  globalThis.gc?.({ type: "minor" });
}
