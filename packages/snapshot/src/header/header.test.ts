import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { pageMap, zeroMap } from "../mapping/page-map.ts";
import { arbitraryFlat, arbitraryPages, fromNaive } from "../mapping/test-naive.ts";
import { decodeHeader, encodeHeader } from "./header.ts";

const build = "1".repeat(32);
const base = "2".repeat(32);
const arbitraryHeader = fc.record(
  {
    generation: fc.integer({ min: 1, max: 0xffff_ffff }),
    build: fc.constant(build),
    base: fc.constantFrom(null, base),
    map: arbitraryPages.chain(arbitraryFlat).map(fromNaive),
  },
  { noNullPrototype: true },
);
/** The checksum of what is there now: what it guards is checked as well. */
const resigned = (bytes: Buffer) => {
  bytes.writeUInt32LE(crc32(bytes.subarray(16)), 12);
  return bytes;
};

describe("header", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(arbitraryHeader, (header) => {
        assert.deepEqual(decodeHeader(encodeHeader(header)), header);
      }),
    );
  });

  it("is refused when any byte differs", () => {
    fc.assert(
      fc.property(arbitraryHeader, fc.nat(), fc.integer({ min: 1, max: 255 }), (header, at, flip) => {
        const bytes = encodeHeader(header);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] as number) ^ flip;
        assert.throws(() => decodeHeader(bytes), { code: "internal" });
      }),
    );
  });

  it("is refused when it is cut or has something behind it", () => {
    fc.assert(
      fc.property(arbitraryHeader, fc.nat(), (header, cut) => {
        const bytes = encodeHeader(header);
        assert.throws(() => decodeHeader(bytes.subarray(0, cut % bytes.length)), { code: "internal" });
        assert.throws(() => decodeHeader(Buffer.concat([bytes, Buffer.alloc(12)])), { code: "internal" });
      }),
    );
  });

  it("is refused when its ranges make no sense, whatever the checksum says", () => {
    const map = pageMap(8, [
      { start: 0, end: 3, build: base, offset: 4 },
      { start: 3, end: 8, build: null, offset: 0 },
    ]);
    const valid = encodeHeader({ generation: 1, build, base: null, map });
    const ranges = 72 + 16;
    const changes: [string, number, number][] = [
      ["a gap at the start", ranges, 1],
      ["ranges out of order", ranges + 12, 9],
      ["an empty range", ranges + 12, 0],
      ["a build that is not listed", ranges + 4, 2],
      ["another block size", 16, 8192],
      ["another version", 8, 2],
      ["a memory that is no whole number of pages", 24, 4095],
      ["a build that nothing refers to", ranges + 4, 0],
      ["an offset that wraps", ranges + 8, 0xffff_ffff],
    ];
    decodeHeader(resigned(Buffer.from(valid)));
    for (const [what, at, value] of changes) {
      const bytes = Buffer.from(valid);
      bytes.writeUInt32LE(value, at);
      assert.throws(() => decodeHeader(resigned(bytes)), { code: "internal" }, what);
    }
  });

  it("takes 12 bytes for each range, so that a large memory stays small", () => {
    assert.equal(encodeHeader({ generation: 1, build, base: null, map: zeroMap(2 ** 21) }).length, 72 + 12);
  });

  it("is never made of a diff", () => {
    assert.throws(() => encodeHeader({ generation: 1, build, base: null, map: pageMap(4, []) }));
  });
});
