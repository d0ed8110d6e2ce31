// Reading the body of a request piece by piece.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WrennError } from "@wrenn/core";

/**
 * The body as it arrives, unpacked if its `Content-Encoding` is gzip. Errors: `invalid_argument` when the sender goes
 * away before its end, or it is not gzip; `unsupported_media_type` for other encodings.
 */
export function bodyChunks(request: Request): AsyncGenerator<Uint8Array> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity") return plainChunks(request);
  if (encoding === "gzip" || encoding === "x-gzip") return unpackedChunks(request);
  throw new WrennError("unsupported_media_type", `content-encoding '${encoding}' is not supported`);
}

async function* plainChunks(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  try {
    for await (const chunk of request.body) yield chunk;
  } catch (cause) {
    throw new WrennError("invalid_argument", "the body ended before it was complete", { cause });
  }
}

/** Loaded on the first use. Not the web's DecompressionStream: that refuses gzip files of several members. */
async function* unpackedChunks(request: Request): AsyncGenerator<Uint8Array> {
  const { createGunzip } = await import("node:zlib");
  const unpacking = createGunzip();
  // A failure of either reaches the reader of the unpacked side.
  pipeline(Readable.from(plainChunks(request), { objectMode: false }), unpacking).catch(() => undefined);
  try {
    for await (const chunk of unpacking) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof WrennError) throw cause;
    throw new WrennError("invalid_argument", "the body is not whole gzip data", { cause });
  }
}
