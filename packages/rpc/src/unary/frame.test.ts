import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  answerFrame,
  callFrame,
  ERROR,
  FrameReader,
  Malformed,
  MESSAGE,
  parseAnswer,
  parseCall,
  TooLarge,
} from "./frame.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

/** Cuts a buffer at the given places. */
function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at
    .slice(1)
    .map((end, i) => whole.subarray(at[i], end))
    .filter(({ length }) => length > 0);
}

describe("frames", () => {
  it("are read back as they were written, in whatever pieces they come", () => {
    const header = fc.tuple(
      fc.stringMatching(/^[a-z-]{1,20}$/),
      fc.string({ maxLength: 40 }).filter((s) => !s.includes("\n")),
    );
    const places = fc.array(fc.nat(), { maxLength: 6 });
    fc.assert(
      fc.property(
        fc.uniqueArray(header, { selector: ([name]) => name, maxLength: 4 }),
        bytes,
        places,
        (headers, message, cuts) => {
          const reader = new FrameReader(10_000);
          for (let round = 0; round < 2; round++) {
            const pieces = cut(callFrame("a.B/C", headers, message), cuts);
            const last = pieces.pop() as Buffer;
            for (const piece of pieces) assert.equal(reader.push(piece), undefined);
            const call = parseCall(reader.push(last) as Buffer);
            assert.equal(call.head.path, "a.B/C");
            assert.deepEqual([...call.head.headers], headers);
            assert.deepEqual(new Uint8Array(call.message), message);
          }
        },
      ),
    );
  });

  it("carry an answer or an error", () => {
    fc.assert(
      fc.property(fc.constantFrom(MESSAGE, ERROR), bytes, (kind, body) => {
        const answer = parseAnswer(new FrameReader(301).push(answerFrame(kind, body)) as Buffer);
        assert.equal(answer.kind, kind);
        assert.deepEqual(new Uint8Array(answer.body), body);
      }),
    );
  });

  it("are bounded, and end where they end", () => {
    const frame = answerFrame(MESSAGE, new Uint8Array(99));
    assert.equal(new FrameReader(100).push(frame)?.length, 100);
    assert.throws(() => new FrameReader(99).push(frame.subarray(0, 4)), TooLarge);
    assert.throws(() => new FrameReader(100).push(Buffer.concat([frame, Buffer.alloc(1)])), Malformed);
    const reader = new FrameReader(100);
    const long = answerFrame(MESSAGE, new Uint8Array(500));
    assert.throws(() => reader.push(long.subarray(0, 200)), TooLarge);
    assert.equal(reader.push(long.subarray(200, 400)), undefined);
    assert.equal(reader.push(Buffer.concat([long.subarray(400), frame]))?.length, 100);
    reader.push(frame.subarray(0, 50));
    assert.throws(() => reader.push(Buffer.concat([frame.subarray(50), Buffer.alloc(1)])), Malformed);
  });

  it("take no header that would become two, and no head beyond its bound", () => {
    assert.throws(() => callFrame("a.B/C", [["x", "1\ny: 2"]], new Uint8Array()), Malformed);
    assert.throws(() => callFrame("a.B/C", [["x\ny", "1"]], new Uint8Array()), Malformed);
    assert.throws(() => callFrame("a.B/C", [["x", "1".repeat(9_000)]], new Uint8Array()), Malformed);
    assert.throws(() => parseCall(Buffer.from([0])), Malformed);
    assert.throws(() => parseCall(Buffer.from([0, 5, 65])), Malformed);
    assert.throws(() => parseCall(Buffer.from([0, 3, 65, 10, 66])), Malformed);
    assert.throws(() => parseAnswer(Buffer.alloc(0)), Malformed);
  });
});
