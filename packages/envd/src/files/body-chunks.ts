// Reading the body of a request piece by piece.
import { WrennError } from "@wrenn/core";

/** The body as it arrives. Ends with an error when the sender goes away before its end. */
export async function* bodyChunks(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  try {
    for await (const chunk of request.body) yield chunk;
  } catch (cause) {
    throw new WrennError("invalid_argument", "the body ended before it was complete", { cause });
  }
}
