// Bulk bytes on their way through a process: the buffers that they leave behind.
import type { Readable } from "node:stream";

const MIB = 1024 * 1024;

/**
 * After how many bytes their buffers are collected. V8 looks at the bytes outside of its heap alone and, at some 32 MiB,
 * marks the whole heap for them (20 to 40 ms of processor time); before that they are all in the young generation, which
 * is collected in a third of a millisecond. At 4 MiB some marking begins all the same, below 2 nothing is gained.
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
