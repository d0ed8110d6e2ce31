import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { completeLength, type Piece, Utf8Stream } from "./utf8.ts";

/** The bytes behind pieces. */
const bytesOf = (pieces: Piece[]) =>
  Buffer.concat(pieces.map(({ data, encoding }) => Buffer.from(data, encoding ?? "utf8")));

function decode(chunks: Uint8Array[]): Piece[] {
  const stream = new Utf8Stream();
  return [...chunks.map((chunk) => stream.push(chunk)), stream.end()].filter((piece) => piece !== undefined);
}

function cut(bytes: Buffer, at: number[]): Buffer[] {
  const marks = [...new Set(at.map((mark) => mark % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...marks].map((from, i) => bytes.subarray(from, marks[i] ?? bytes.length));
}

describe("Utf8Stream", () => {
  test("text arrives as text, whole, wherever it is cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat()), (text, at) => {
        const bytes = Buffer.from(text.toWellFormed());
        const pieces = decode(cut(bytes, at));
        assert.ok(pieces.every(({ encoding }) => encoding === undefined));
        assert.equal(pieces.map(({ data }) => data).join(""), text.toWellFormed());
      }),
    );
  });

  test("no byte is lost or changed, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat()), (bytes, at) => {
        assert.deepEqual(bytesOf(decode(cut(Buffer.from(bytes), at))), Buffer.from(bytes));
      }),
    );
  });

  test("at most three bytes are held back", () => {
    const stream = new Utf8Stream();
    assert.equal(stream.push(Buffer.from([0xf0, 0x9f, 0x98])), undefined);
    assert.deepEqual(stream.push(Buffer.from([0x80])), { data: "😀" });
    assert.equal(stream.end(), undefined);
  });
});

test("completeLength() cuts off only what could become a character", () => {
  for (const [bytes, expected] of [
    [[], 0],
    [[0x61], 1],
    [[0x61, 0xc3], 1],
    [[0x61, 0xc3, 0xa9], 3],
    [[0xe2, 0x82], 0],
    [[0xf0, 0x9f, 0x98], 0],
    [[0x80, 0x80, 0x80, 0x80], 4],
  ] as [number[], number][]) {
    assert.equal(completeLength(Buffer.from(bytes)), expected, String(bytes));
  }
});
