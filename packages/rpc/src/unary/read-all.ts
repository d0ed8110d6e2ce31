// A bounded HTTP body as one buffer.
import type { IncomingMessage } from "node:http";

/** The body is longer than its bound. */
export class TooLarge extends Error {}

/**
 * Rejects with `TooLarge`, having kept nothing and leaving the rest to flow by, or with what broke the body off. A body
 * that ends early is not whole: it rejects too.
 */
export function readAll(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      chunks.length = 0;
      reject(new TooLarge(`a message is longer than ${maxBytes} bytes`));
    });
    message.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    message.on("error", reject);
    message.once("close", () => reject(new Error("the connection ended within a message")));
  });
}
