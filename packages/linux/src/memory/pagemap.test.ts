import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { collectPrivate } from "./pagemap.ts";

describe("collectPrivate()", () => {
  it("finds the pages that are present or swapped and not a file's, whatever the other bits are", () => {
    const entry = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), fc.nat(1 << 20), (entries, base) => {
        const bytes = Buffer.alloc(entries.length * 8);
        entries.forEach((value, i) => {
          bytes.writeBigUInt64LE(value, i * 8);
        });
        const isSet = (value: bigint, bit: bigint) => ((value >> bit) & 1n) === 1n;
        const expected = entries.flatMap((value, i) =>
          (isSet(value, 63n) || isSet(value, 62n)) && !isSet(value, 61n) ? [base + i] : [],
        );
        const found = new Uint32Array(3 + entries.length);
        const count = collectPrivate(Uint8Array.from(bytes), base, found, 3);
        assert.deepEqual([...found.subarray(3, count)], expected);
      }),
    );
  });
});
