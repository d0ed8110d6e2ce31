import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { closing, deviceSections, PartSection } from "./stream.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("PartSection", () => {
  it("names the block once, and holds data and zeros", () => {
    const section = new PartSection("m0", 4);
    section.add(2, undefined);
    section.add(0x12_3456, Buffer.alloc(4096, 0xab));
    const bytes = section.take();
    const expected = [
      "020000ffff", // part, section
      "0000000000002002026d3000", // page 2, zero, m0
      "0000000123456028", // page 0x123456, data, same block
      "ab".repeat(4096),
      "0000000000000010", // no more
      "7e0000ffff",
    ];
    assert.equal(hex(bytes), expected.join(""));
    section.add(1, undefined);
    assert.equal(hex(section.take()), "020000ffff0000000000001002026d300000000000000000107e0000ffff");
  });

  it("reaches beyond 4 GiB", () => {
    const section = new PartSection("m0", 1);
    section.add(2 ** 22 - 1, undefined);
    assert.match(hex(section.take()), /^020000ffff00000003fffff002/);
  });
});

describe("closing()", () => {
  it("ends the section and the stream", () => {
    assert.equal(hex(closing()), "030000ffff00000000000000107e0000ffff00");
  });
});

describe("deviceSections()", () => {
  it("takes off head and end", () => {
    const state = Buffer.concat([Buffer.from("QEVM"), Buffer.from([0, 0, 0, 3, 4, 1, 2, 3, 0])]);
    assert.deepEqual([...deviceSections(state)], [4, 1, 2, 3]);
  });

  it("refuses what is not a state", () => {
    const states = [
      "",
      "QEVM",
      "QEVM\0\0\0\x03\0",
      "QEVM\0\0\0\x02\x04\0",
      "QEVM\0\0\0\x03\x04\x01",
      "XEVM\0\0\0\x03\x04\0",
    ];
    for (const state of states)
      assert.throws(() => deviceSections(Buffer.from(state, "latin1")), { code: "internal" }, state);
  });
});
