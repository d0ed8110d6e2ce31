// Names made from content.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { MIB } from "@wrenn/core";

/**
 * SHA-256 of a file, 64 hex digits. One buffer serves all of it: a stream would have one for each piece, and the process
 * that starts by hashing what guests boot from would keep that memory, up to 70 MiB.
 */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(MIB);
  await using file = await open(path);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
  }
}

/** SHA-256 over parts that are kept apart: `["a", "b"]` and `["ab"]` differ. */
export function partsSha256(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part) : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex");
}
