import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readRoms } from "./rom-stream.ts";

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const name = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const section = (type: number, ...content: Buffer[]) =>
  Buffer.concat([Buffer.from([type]), u32(2), ...content, u64(0x10), Buffer.from([0x7e]), u32(2)]);
const HEAD = Buffer.concat([Buffer.from("QEVM"), u32(3)]);
const START = section(
  1,
  name("ram"),
  u32(0),
  u32(4),
  u64((1 << 28) + 3 * 4096 + 4),
  ...[name("m0"), u64(1 << 28), u64(0)],
  ...[name("pc.bios"), u64(8192), u64(0xfffe0000)],
  ...[name("tables"), u64(4096), u64(0)],
);
const PAGES = section(
  2,
  ...[u64(0 + 8), name("pc.bios"), Buffer.alloc(4096, 1)],
  ...[u64(4096 + 8 + 0x20), Buffer.alloc(4096, 2)],
);
const END = section(3, u64(0 + 2), name("tables"), Buffer.from([0]));
const STREAM = Buffer.concat([HEAD, START, PAGES, END]);

describe("readRoms()", () => {
  it("finds the blocks and what is in the small ones", () => {
    const roms = readRoms(Buffer.concat([STREAM, Buffer.from("devices follow")]), "m0");
    assert.deepEqual(roms?.blocks, [
      { name: "m0", bytes: 1 << 28 },
      { name: "pc.bios", bytes: 8192 },
      { name: "tables", bytes: 4096 },
    ]);
    assert.deepEqual([...(roms?.contents.keys() ?? [])], ["pc.bios", "tables"]);
    assert.deepEqual(
      roms?.contents.get("pc.bios"),
      Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)]),
    );
    assert.deepEqual(roms?.contents.get("tables"), Buffer.alloc(4096));
  });

  it("waits for the rest of a stream that is cut anywhere", () => {
    for (let end = 0; end < STREAM.length; end += 97)
      assert.equal(readRoms(STREAM.subarray(0, end), "m0"), undefined);
  });

  it("refuses another stream", () => {
    const wrong = [
      Buffer.concat([Buffer.from("QEVX"), u32(3)]),
      Buffer.concat([HEAD, section(4)]),
      Buffer.concat([HEAD, section(1, name("timer"), u32(0), u32(1))]),
      Buffer.concat([HEAD, START, section(2, u64(8192 + 8), name("pc.bios"), Buffer.alloc(4096))]),
      Buffer.concat([HEAD, START, section(2, u64(8), name("m0"), Buffer.alloc(4096))]),
      Buffer.concat([HEAD, START, section(2, u64(0x40), name("pc.bios"))]),
      Buffer.concat([
        HEAD,
        section(1, name("ram"), u32(0), u32(4), u64(2 ** 40 + 4), name("x"), u64(2 ** 40), u64(0)),
      ]),
    ];
    for (const [i, bytes] of wrong.entries())
      assert.throws(() => readRoms(bytes, "m0"), { code: "internal" }, `number ${i}`);
    assert.throws(() => readRoms(STREAM, "m1"), { code: "internal" });
  });

  it("never fails with anything but its own error", () => {
    fc.assert(
      fc.property(fc.nat(START.length + 40), fc.uint8Array({ minLength: 1, maxLength: 16 }), (at, noise) => {
        const bytes = Buffer.from(STREAM);
        bytes.set(noise, Math.min(at, bytes.length - noise.length));
        try {
          readRoms(bytes, "m0");
        } catch (reason) {
          assert.equal((reason as { code?: string }).code, "internal");
        }
      }),
    );
  });
});
