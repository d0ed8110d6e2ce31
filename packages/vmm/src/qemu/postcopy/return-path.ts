// What the receiver of a postcopy migration says back: pages that its guest waits for, and that it is done. Pure.
import { WrennError } from "@wrenn/core";
import { ANSWER, PAGE_BYTES } from "./wire.ts";

export type Answer =
  /** Pages that are waited for; offsets in `bytes` within a block, page-aligned. */
  | { kind: "pages"; block: string; start: number; bytes: number }
  | { kind: "pong"; value: number }
  /** Nothing will follow. 0 = all went well. */
  | { kind: "shut"; value: number };

/** Longest message of those that are known: a request with a block's name. */
const MAX_MESSAGE_BYTES = 8 + 4 + 1 + 255;
const HEAD_BYTES = 4;

/**
 * Cuts the way back into messages. A guest may have taken its VMM over, so nothing is believed: whatever is not one of
 * these throws `internal`, and nothing is kept but one message that has not come to its end.
 */
export class ReturnPath {
  #rest: Buffer = Buffer.alloc(0);
  #block: string | undefined;

  /** The messages that are complete with these bytes. */
  *receive(bytes: Buffer): Generator<Answer> {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    for (;;) {
      if (data.length < HEAD_BYTES) break;
      const length = data.readUInt16BE(2);
      if (length > MAX_MESSAGE_BYTES) throw wrong(`a message of ${length} bytes`);
      if (data.length < HEAD_BYTES + length) break;
      const type = data.readUInt16BE(0);
      yield this.#decode(type, data.subarray(HEAD_BYTES, HEAD_BYTES + length));
      data = data.subarray(HEAD_BYTES + length);
    }
    this.#rest = Buffer.from(data);
  }

  #decode(type: number, data: Buffer): Answer {
    switch (type) {
      case ANSWER.shut:
      case ANSWER.pong:
        if (data.length !== 4) throw wrong(`message ${type} of ${data.length} bytes`);
        return { kind: type === ANSWER.pong ? "pong" : "shut", value: data.readUInt32BE(0) };
      case ANSWER.pagesOf: {
        if (data.length < 13 || data[12] !== data.length - 13)
          throw wrong("a request without a block's name");
        this.#block = data.toString("latin1", 13);
        return this.#request(data);
      }
      case ANSWER.pages:
        if (data.length !== 12) throw wrong(`a request of ${data.length} bytes`);
        return this.#request(data);
      default:
        throw wrong(`message ${type}`);
    }
  }

  #request(data: Buffer): Answer {
    if (this.#block === undefined) throw wrong("a request for no block");
    const start = Number(data.readBigUInt64BE(0));
    const bytes = data.readUInt32BE(8);
    if (!Number.isSafeInteger(start) || start % PAGE_BYTES !== 0 || bytes === 0 || bytes % PAGE_BYTES !== 0)
      throw wrong(`a request for ${bytes} bytes at ${start}`);
    return { kind: "pages", block: this.#block, start, bytes };
  }
}

function wrong(what: string): WrennError {
  return new WrennError("internal", `the way back of a postcopy migration carries ${what}`);
}
