import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { khzFromCpuinfo, tscKhz, tscKhzFromLog } from "./tsc.ts";

describe("the frequency of the time stamp counter", () => {
  it("is read from the kernel's log, the refined figure first", () => {
    const detected = "[    0.000025] tsc: Detected 2000.123 MHz processor\n";
    assert.equal(tscKhzFromLog(detected), 2_000_123);
    const refined = `${detected}[    1.9] tsc: Refined TSC clocksource calibration: 1999.999 MHz\n`;
    assert.equal(tscKhzFromLog(refined), 1_999_999);
    assert.equal(tscKhzFromLog("[ 0.1] clocksource: tsc-early: mask: 0xff\n"), undefined);
  });

  it("is guessed from /proc/cpuinfo, the nominal speed before the current one", () => {
    assert.equal(
      khzFromCpuinfo("model name\t: Intel(R) Xeon(R) Processor\ncpu MHz\t\t: 2000.000\n"),
      2_000_000,
    );
    assert.equal(khzFromCpuinfo("model name\t: Xeon CPU E5 @ 2.40GHz\ncpu MHz\t\t: 1200.5\n"), 2_400_000);
    assert.equal(khzFromCpuinfo("processor\t: 0\n"), undefined);
  });

  it("is known on this machine", async () => {
    const khz = await tscKhz();
    assert.ok(khz > 500_000 && khz < 10_000_000, String(khz));
  });
});
