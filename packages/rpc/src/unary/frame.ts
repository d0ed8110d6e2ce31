// Frames: how a call and its answer lie in the bytes of a connection. Numbers are big-endian.
//
//   call     u32 length of what follows, u16 length of the head, head (UTF-8), message (protobuf)
//   answer   u32 length of what follows, u8 kind, message (protobuf) or error (JSON)
//
// The head has the method's path in its first line, and one line `name: value` for each header.

/** A frame is longer than its bound. */
export class TooLarge extends Error {}

/** The bytes are no frame, or more than the one that was due. */
export class Malformed extends Error {}

/** Bytes of the length before each frame. */
const PREFIX = 4;

/** The longest head, `bytes`: a method's name and a few headers. */
const MAX_HEAD_BYTES = 8 * 1024;

/** Kinds of answers. */
export const MESSAGE = 0;
export const ERROR = 1;

export interface CallHead {
  /** `package.Service/Method`. */
  path: string;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
}

/** Throws `Malformed` for a header that cannot be sent: its name or value has a line break, or the head is too long. */
export function callFrame(path: string, headers: Iterable<readonly [string, string]>, message: Uint8Array) {
  let head = path;
  for (const [name, value] of headers) {
    if (/[\n:]/.test(name) || value.includes("\n")) throw new Malformed(`header ${name} cannot be sent`);
    head += `\n${name.toLowerCase()}: ${value}`;
  }
  const headBytes = Buffer.byteLength(head);
  if (headBytes > MAX_HEAD_BYTES) throw new Malformed("the headers are too long");
  const frame = Buffer.allocUnsafe(PREFIX + 2 + headBytes + message.length);
  frame.writeUInt32BE(frame.length - PREFIX, 0);
  frame.writeUInt16BE(headBytes, PREFIX);
  frame.write(head, PREFIX + 2);
  frame.set(message, PREFIX + 2 + headBytes);
  return frame;
}

/** Takes apart what came after the length. Throws `Malformed`. */
export function parseCall(frame: Buffer): { head: CallHead; message: Buffer } {
  const headBytes = frame.length < 2 ? MAX_HEAD_BYTES : frame.readUInt16BE(0);
  if (headBytes > MAX_HEAD_BYTES || 2 + headBytes > frame.length)
    throw new Malformed("a call without a head");
  const [path = "", ...lines] = frame.toString("utf8", 2, 2 + headBytes).split("\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(": ");
    if (colon < 1) throw new Malformed("a line of the head is no header");
    headers.set(line.slice(0, colon), line.slice(colon + 2));
  }
  return { head: { path, headers }, message: frame.subarray(2 + headBytes) };
}

export function answerFrame(kind: typeof MESSAGE | typeof ERROR, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + 1 + body.length);
  frame.writeUInt32BE(1 + body.length, 0);
  frame[PREFIX] = kind;
  frame.set(body, PREFIX + 1);
  return frame;
}

/** Takes apart what came after the length. Throws `Malformed`. */
export function parseAnswer(frame: Buffer): { kind: typeof MESSAGE | typeof ERROR; body: Buffer } {
  const kind = frame[0];
  if (kind !== MESSAGE && kind !== ERROR) throw new Malformed("an answer of no kind");
  return { kind, body: frame.subarray(1) };
}

/** Puts one frame at a time together. */
export class FrameReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #size = 0;
  /** Size of the frame with its length, once that is known. */
  #due = 0;
  /** What is left of a frame that was too long. */
  #skip = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes bytes; returns the frame, without its length, once it is whole. Throws `TooLarge` as soon as its length is
   * known, and passes over the rest of it; throws `Malformed` for bytes after its end: the other side has to wait for
   * its turn.
   */
  push(chunk: Buffer): Buffer | undefined {
    const bytes = this.#skip > 0 ? this.#skipped(chunk) : chunk;
    this.#size += bytes.length;
    // What comes in one piece, as nearly all does, is not copied.
    const begun = this.#pieces.length > 0;
    if (this.#size < PREFIX || this.#size < this.#due) {
      if (bytes.length > 0) this.#pieces.push(bytes);
      return undefined;
    }
    const whole = begun ? Buffer.concat([...this.#pieces, bytes], this.#size) : bytes;
    this.#due ||= this.#begin(whole);
    if (whole.length < this.#due) {
      this.#pieces = [whole];
      return undefined;
    }
    const { length } = whole;
    const due = this.#due;
    this.#reset();
    if (length > due) throw new Malformed("bytes after the end of a frame");
    return whole.subarray(PREFIX);
  }

  /** Size of the frame that begins here. */
  #begin(bytes: Buffer): number {
    const length = bytes.readUInt32BE(0);
    if (length <= this.#maxBytes) return PREFIX + length;
    this.#reset();
    this.#skip = Math.max(0, PREFIX + length - bytes.length);
    throw new TooLarge(`a message is longer than ${this.#maxBytes} bytes`);
  }

  #skipped(chunk: Buffer): Buffer {
    const bytes = chunk.subarray(Math.min(this.#skip, chunk.length));
    this.#skip -= chunk.length - bytes.length;
    return bytes;
  }

  #reset(): void {
    this.#pieces = [];
    this.#size = 0;
    this.#due = 0;
  }
}
