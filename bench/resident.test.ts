import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { residentOf } from "./resident.ts";

const mapping = (range: string, size: number, rss: number) =>
  `${range} rw-p 00000000 00:00 0 \nSize:           ${size} kB\nKernelPageSize:        4 kB\nRss:              ${rss} kB\nPss:              1 kB\n`;

describe("residentOf()", () => {
  it("finds the guest's memory among a process's mappings", () => {
    const smaps =
      mapping("1000-2000", 4, 4) + mapping("7f00-8f00", 262144, 9000) + mapping("9f00-af00", 1048576, 1);
    assert.equal(residentOf(smaps, 256 * 2 ** 20), 9000 * 1024);
    assert.throws(() => residentOf(smaps, 512 * 2 ** 20), /0 mappings/);
    assert.throws(() => residentOf(smaps + mapping("bf00-cf00", 262144, 1), 256 * 2 ** 20), /2 mappings/);
  });
});
