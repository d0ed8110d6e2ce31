// What to do with the rest of a body that was refused.
import type { IncomingMessage } from "node:http";

/** Enough for most clients to send what is under way, and to read the answer. */
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_MS = 10_000;

/**
 * Reads the rest of a body and throws it away, up to a bound. Closing at once instead would reset the
 * connection, and a client that is still sending would never see why it was refused.
 */
export function linger(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), MAX_MS).unref();
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) request.destroy();
  });
  request.once("close", () => clearTimeout(timer));
  request.once("end", () => clearTimeout(timer));
  request.resume();
}
