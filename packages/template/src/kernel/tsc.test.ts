import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostTsc, scalesTsc, tscFromCpuinfo, tscFromLog } from "./tsc.ts";

describe("the frequency of the time stamp counter", () => {
  it("is read from the kernel's log, the refined figure first", () => {
    const detected = "[    0.000025] tsc: Detected 2000.123 MHz processor\n";
    assert.deepEqual(tscFromLog(detected), { khz: 2_000_123, source: "detected" });
    const counter = `${detected}[    0.000025] tsc: Detected 1995.000 MHz TSC\n`;
    assert.deepEqual(tscFromLog(counter), { khz: 1_995_000, source: "detected" });
    const refined = `${detected}[    1.9] tsc: Refined TSC clocksource calibration: 1999.999 MHz\n`;
    assert.deepEqual(tscFromLog(refined), { khz: 1_999_999, source: "refined" });
    assert.equal(tscFromLog("[ 0.1] clocksource: tsc-early: mask: 0xff\n"), undefined);
  });

  it("is guessed from /proc/cpuinfo, the nominal speed before the current one", () => {
    const current = "model name\t: Intel(R) Xeon(R) Processor\ncpu MHz\t\t: 2000.000\n";
    assert.deepEqual(tscFromCpuinfo(current), { khz: 2_000_000, source: "current" });
    const nominal = "model name\t: Xeon CPU E5 @ 2.40GHz\ncpu MHz\t\t: 1200.5\n";
    assert.deepEqual(tscFromCpuinfo(nominal), { khz: 2_400_000, source: "nominal" });
    assert.equal(tscFromCpuinfo("processor\t: 0\n"), undefined);
  });

  it("can be another one for a guest where the processor scales it", () => {
    assert.equal(scalesTsc("flags\t\t: fpu tsc svm npt tsc_scale vmcb_clean\n"), true);
    assert.equal(scalesTsc("flags\t\t: fpu tsc vmx\nvmx flags\t: vnmi ept tsc_scaling shadow_vmcs\n"), true);
    assert.equal(scalesTsc("flags\t\t: fpu tsc constant_tsc vmx\nvmx flags\t: vnmi tsc_offset\n"), false);
  });

  it("is known on this machine", async () => {
    const { khz } = await hostTsc();
    assert.ok(khz > 500_000 && khz < 10_000_000, String(khz));
  });
});
