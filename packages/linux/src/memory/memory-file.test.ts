import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import type { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { MemoryFile } from "./memory-file.ts";

const PAGE = 4096;

function contentOf(file: MemoryFile): Buffer {
  const content = Buffer.alloc(file.bytes);
  file.read(0, content);
  return content;
}

describe("MemoryFile", () => {
  it("holds what was written, whatever was there before", () => {
    const range = fc.record({
      offset: fc.nat(9 * PAGE),
      length: fc.nat(3 * PAGE),
      byte: fc.constantFrom(0, 1, 255),
    });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const file = MemoryFile.create("wrenn-test", 12 * PAGE);
        const expected = Buffer.alloc(file.bytes);
        try {
          for (const { offset, length, byte } of ranges) {
            file.write(offset, new Uint8Array(length).fill(byte));
            expected.fill(byte, offset, offset + length);
          }
          assert.ok(contentOf(file).equals(expected));
        } finally {
          file.close();
        }
      }),
    );
  });

  it("takes no memory for pages of zeros", () => {
    const file = MemoryFile.create("wrenn-test", 64 * PAGE);
    const data = Buffer.alloc(32 * PAGE);
    data[5 * PAGE] = 1;
    file.write(16 * PAGE, data);
    assert.equal(fstatSync(file.fd).blocks * 512, PAGE);
    file.close();
  });

  it("knows which pages it holds", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(63)), (pages) => {
        const file = MemoryFile.create("wrenn-test", 64 * PAGE);
        try {
          for (const page of pages) file.write(page * PAGE, new Uint8Array(PAGE).fill(page + 1));
          assert.deepEqual(
            [...file.heldPages()],
            pages.toSorted((a, b) => a - b),
          );
        } finally {
          file.close();
        }
      }),
    );
  });

  it("keeps its size once that is fixed, and can still be written", () => {
    const file = MemoryFile.create("wrenn-test", 2 * PAGE);
    file.fixSize();
    for (const bytes of [0, PAGE, 3 * PAGE])
      assert.throws(() => ftruncateSync(file.fd, bytes), { code: "EPERM" });
    ftruncateSync(file.fd, 2 * PAGE);
    file.write(PAGE, new Uint8Array(PAGE).fill(7));
    assert.deepEqual([...file.heldPages()], [1]);
    file.close();
  });

  it("can be had from another process that has it, and nothing else can", () => {
    const file = MemoryFile.create("wrenn-test", 2 * PAGE);
    file.write(0, new Uint8Array(PAGE).fill(9));
    assert.throws(
      () => MemoryFile.openOf(process.pid, file.fd, 2 * PAGE),
      ({ code, cause }: WrennError) => code === "not_found" && /its size may change/.test(String(cause)),
    );
    file.fixSize();
    const again = MemoryFile.openOf(process.pid, file.fd, 2 * PAGE);
    assert.equal(contentOf(again)[PAGE - 1], 9);
    again.close();
    const other = openSync("/dev/null", "r");
    for (const [fd, bytes] of [
      [file.fd, PAGE],
      [other, 0],
      [99_999, PAGE],
    ] as const)
      assert.throws(() => MemoryFile.openOf(process.pid, fd, bytes), { code: "not_found" });
    closeSync(other);
    file.close();
  });

  it("does not wait for what was cut off", () => {
    const file = MemoryFile.create("wrenn-test", 2 * PAGE);
    ftruncateSync(file.fd, PAGE);
    file.read(0, Buffer.alloc(PAGE));
    assert.throws(() => contentOf(file), { code: "internal", message: /cut short/ });
    file.close();
  });

  it("cannot be changed by anybody once sealed", () => {
    const file = MemoryFile.create("wrenn-test", 2 * PAGE);
    file.write(0, Buffer.from("kept"));
    file.seal();
    const reopened = openSync(`/proc/self/fd/${file.fd}`, "r+");
    for (const fd of [file.fd, reopened]) {
      assert.throws(() => writeSync(fd, Buffer.from("lost"), 0, 4, 0), { code: "EPERM" });
      assert.throws(() => ftruncateSync(fd, PAGE), { code: "EPERM" });
      assert.throws(() => ftruncateSync(fd, 3 * PAGE), { code: "EPERM" });
    }
    assert.throws(() => file.write(PAGE, Buffer.alloc(PAGE)), /EPERM/);
    assert.throws(() => file.seal(), /EPERM/);
    assert.equal(contentOf(file).subarray(0, 4).toString(), "kept");
    file.close();
  });

  it("is not inherited, and gone when closed", () => {
    const before = readdirSync("/proc/self/fd").length;
    const file = MemoryFile.create("wrenn-test", PAGE);
    const seen = spawnSync("ls", ["-l", "/proc/self/fd"]).stdout.toString();
    assert.match(seen, /proc/);
    assert.doesNotMatch(seen, /wrenn-test/);
    file.close();
    file.close();
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });

  it("refuses what does not fit and changes nothing", () => {
    assert.throws(() => MemoryFile.create("wrenn-test", -1), { code: "invalid_argument" });
    const file = MemoryFile.create("wrenn-test", PAGE);
    for (const offset of [-1, 1, 0.5, Number.NaN]) {
      assert.throws(() => file.write(offset, Buffer.alloc(PAGE, 1)), { code: "invalid_argument" });
    }
    assert.ok(contentOf(file).equals(Buffer.alloc(PAGE)));
    file.close();
  });
});
