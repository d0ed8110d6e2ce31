// Names made from content.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { MIB } from "@wrenn/core";

/** SHA-256 of a file, 64 hex digits. */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const stream = createReadStream(path, { highWaterMark: MIB, ...(signal && { signal }) });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest("hex");
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
