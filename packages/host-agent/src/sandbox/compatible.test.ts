import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Snapshot } from "@wrenn/snapshot";
import type { HostTsc } from "@wrenn/template";
import { assertFits, guestTsc, misfits } from "./compatible.ts";
import type { HostContext } from "./context.ts";

const QEMU = { vmm: "qemu 7.2", devices: "microvm 1", cpu: "host" };
const FIRECRACKER = { vmm: "firecracker, snapshots 10.0", devices: "firecracker 1", cpu: "host" };

const TSC: HostTsc = { khz: 2_000_000, source: "refined", scales: false };

function host(fingerprint: Record<string, string>, accelerator = "kvm", tsc = TSC): HostContext {
  return { accelerator, tsc, vmm: { fingerprint: async () => fingerprint } } as unknown as HostContext;
}

function snapshot(
  vmm: Record<string, string>,
  accelerator = "kvm",
  tsc: Pick<Snapshot["manifest"], "tscKhz" | "tscSource"> = { tscKhz: 2_000_000, tscSource: "refined" },
): Snapshot {
  return { manifest: { vmm, accelerator, ...tsc } } as unknown as Snapshot;
}

describe("misfits()", () => {
  it("finds none between a host and itself", async () => {
    for (const one of [QEMU, FIRECRACKER]) assert.deepEqual(await misfits(host(one), snapshot(one)), []);
  });

  it("names the other VMM and how to have it, and nothing besides", async () => {
    assert.deepEqual(await misfits(host(FIRECRACKER), snapshot(QEMU)), [
      "it was saved by qemu, and this host runs guests with firecracker (WRENN_VMM=qemu forces the other)",
    ]);
    await assert.rejects(assertFits(host(QEMU), snapshot(FIRECRACKER)), {
      code: "snapshot_incompatible",
      message: /it was saved by firecracker, and this host runs guests with qemu/,
    });
  });

  it("names each difference within one VMM, and the accelerator first of all", async () => {
    const newer = { ...FIRECRACKER, vmm: "firecracker, snapshots 11.0", extra: "x" };
    assert.deepEqual(await misfits(host(newer), snapshot(FIRECRACKER)), [
      "extra was unknown and is x",
      "vmm was firecracker, snapshots 10.0 and is firecracker, snapshots 11.0",
    ]);
    assert.deepEqual(await misfits(host(QEMU), snapshot(FIRECRACKER, "tcg")), [
      "it was saved under tcg, and this host runs guests under kvm",
    ]);
  });

  /** Of a snapshot whose counter ran at so many kHz, on a host with another. */
  const frequency = (saved: Partial<HostTsc>, here: Partial<HostTsc>, accelerator = "kvm") => {
    const { khz: tscKhz, source: tscSource } = { ...TSC, ...saved };
    const kept = snapshot(QEMU, accelerator, { tscKhz, tscSource });
    return misfits(host(QEMU, accelerator, { ...TSC, ...here }), kept);
  };

  for (const accelerator of ["kvm", "tcg"]) {
    it(`refuses another frequency of the time stamp counter under ${accelerator}, beyond what is measured differently`, async () => {
      for (const khz of [2_000_000, 2_000_500, 1_999_500])
        assert.deepEqual(await frequency({}, { khz }, accelerator), [], String(khz));
      const refusal = (mhz: string) => [
        `the time stamp counter ran at 2000.000 MHz and runs at ${mhz} MHz here, which would put its clock wrong`,
      ];
      assert.deepEqual(await frequency({}, { khz: 2_000_501 }, accelerator), refusal("2000.501"));
      assert.deepEqual(await frequency({}, { khz: 1_999_499 }, accelerator), refusal("1999.499"));
      const nominal = { source: "nominal" } as const;
      assert.deepEqual(
        await frequency(nominal, { ...nominal, khz: 2_400_000 }, accelerator),
        refusal("2400.000"),
      );
    });
  }

  it("compares it with its like only, and not where it says nothing", async () => {
    const khz = 3_000_000;
    assert.deepEqual(await frequency({ source: "detected" }, { khz }), []);
    assert.deepEqual(await frequency({ source: "current" }, { khz, source: "current" }), []);
    // As older snapshots are.
    const older = snapshot(QEMU, "kvm", { tscKhz: khz });
    assert.deepEqual(await misfits(host(QEMU), older), []);
  });

  it("compares with what the guest has found at its boot, wherever it went on since", () => {
    const here = host(QEMU, "kvm", { khz: 3_000_000, source: "detected", scales: true });
    assert.deepEqual(guestTsc(here), { tscKhz: 3_000_000, tscSource: "detected" });
    const saved = { tscKhz: 2_000_000, tscSource: "refined" } as const;
    assert.deepEqual(guestTsc(here, saved), saved);
    assert.deepEqual(
      guestTsc(here, { tscKhz: 2_000_000 }),
      { tscKhz: 2_000_000 },
      "an older one stays unknown",
    );
  });

  it("takes any where KVM scales it; nothing does under TCG", async () => {
    const here = { khz: 3_000_000, scales: true };
    assert.deepEqual(await frequency({}, here, "kvm"), []);
    assert.equal((await frequency({}, here, "tcg")).length, 1);
  });
});
