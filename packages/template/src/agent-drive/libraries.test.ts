import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { foreignLibraries } from "./libraries.ts";

describe("foreignLibraries()", () => {
  const inside = [
    "\tlinux-vdso.so.1 (0x00007fb17253d000)",
    "\tlibc.so.6 => /drive/lib/libc.so.6 (0x00007fb1722bd000)",
    "\t/drive/lib/ld-linux-x86-64.so.2 (0x00007fb17253f000)",
  ];

  it("passes what comes from the drive and the kernel", () => {
    assert.deepEqual(foreignLibraries(inside.join("\n"), "/drive/lib"), []);
  });

  it("finds what comes from elsewhere or nowhere", () => {
    const elsewhere = "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007fb17253f000)";
    const nowhere = "\tlibq.so.1 => not found";
    assert.deepEqual(foreignLibraries([...inside, elsewhere, nowhere].join("\n"), "/drive/lib"), [
      elsewhere.trim(),
      nowhere.trim(),
    ]);
  });
});
