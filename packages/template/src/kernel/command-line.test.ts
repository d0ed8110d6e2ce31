import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GUEST } from "@wrenn/linux";
import { kernelCommandLine } from "./command-line.ts";

describe("kernelCommandLine()", () => {
  it("names the host's counter, ends the machine on a panic, and is one line", () => {
    const parameters = kernelCommandLine({ tscKhz: 2_000_000, extra: ["debug"] }).split(" ");
    for (const wanted of ["tsc_early_khz=2000000", "panic=-1", "reboot=t", "console=ttyS0", "debug"]) {
      assert.ok(parameters.includes(wanted), wanted);
    }
    assert.equal(parameters.at(-1), "debug");
    assert.ok(!parameters.some((parameter) => parameter.includes(GUEST.address)));
  });

  it("refuses what is not one parameter or no frequency", () => {
    for (const extra of ["a b", "", "a\nb", "a\0"]) {
      assert.throws(() => kernelCommandLine({ tscKhz: 1, extra: [extra] }), {
        code: "invalid_argument",
        field: "extra",
      });
    }
    for (const tscKhz of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => kernelCommandLine({ tscKhz }), { code: "invalid_argument", field: "tscKhz" });
    }
  });
});
