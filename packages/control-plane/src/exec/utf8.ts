// Text out of byte streams: characters that are split between two reads arrive whole.
import { isUtf8 } from "node:buffer";

export interface Piece {
  data: string;
  /** Absent for UTF-8. */
  encoding?: "base64";
}

/** Decodes one stream. At most three bytes are held back between two reads. */
export class Utf8Stream {
  #held = Buffer.alloc(0);

  /** The next piece; nothing when all that came is the beginning of a character. */
  push(chunk: Uint8Array): Piece | undefined {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#held.length === 0 ? fresh : Buffer.concat([this.#held, fresh]);
    const complete = completeLength(bytes);
    if (isUtf8(bytes.subarray(0, complete))) {
      this.#held = Buffer.from(bytes.subarray(complete));
      return complete === 0 ? undefined : { data: bytes.toString("utf8", 0, complete) };
    }
    this.#held = Buffer.alloc(0);
    return { data: bytes.toString("base64"), encoding: "base64" };
  }

  /** What was held back for a character that never became complete. */
  end(): Piece | undefined {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest.length === 0 ? undefined : { data: rest.toString("base64"), encoding: "base64" };
  }
}

/** Length without a last character that has begun but is not complete (RFC 3629, section 3). */
export function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return sequenceLength(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function sequenceLength(lead: number): number {
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
