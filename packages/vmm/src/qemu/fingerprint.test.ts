import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostCpu } from "../host-processor.ts";
import { qemuFingerprint } from "./fingerprint.ts";

const CPUINFO = `processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 143
model name	: Intel(R) Xeon(R)
stepping	: 8
cpu MHz		: 2000.120
flags		: fpu vme de

processor	: 1
`;

describe("qemuFingerprint()", () => {
  it("outlasts a patch release, and nothing more", async () => {
    const of = (version: string) => qemuFingerprint(version, { accelerator: "tcg" });
    assert.deepEqual(await of("7.2.22"), await of("7.2.23"));
    assert.notDeepEqual(await of("7.2.22"), await of("7.3.0"));
  });

  it("names the host's processor and kernel only where the guest runs on them", async () => {
    const tcg = await qemuFingerprint("7.2.22", { accelerator: "tcg" });
    const kvm = await qemuFingerprint("7.2.22", { accelerator: "kvm" });
    assert.deepEqual(
      Object.keys(kvm).filter((key) => !(key in tcg)),
      ["hostCpu", "hostKernel"],
    );
    assert.notEqual(kvm["cpu"], tcg["cpu"]);
  });
});

describe("hostCpu()", () => {
  it("is about model and features, not about the moment", () => {
    assert.match(hostCpu(CPUINFO), /^GenuineIntel 6 143 8 [0-9a-f]{16}$/);
    assert.equal(hostCpu(CPUINFO.replace("2000.120", "3100.000")), hostCpu(CPUINFO));
    assert.notEqual(hostCpu(CPUINFO.replace("fpu vme", "fpu")), hostCpu(CPUINFO));
    assert.notEqual(hostCpu(CPUINFO.replace(": 143", ": 144")), hostCpu(CPUINFO));
  });
});
