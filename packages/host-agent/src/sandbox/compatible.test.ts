import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Snapshot } from "@wrenn/snapshot";
import { assertFits, misfits } from "./compatible.ts";
import type { HostContext } from "./context.ts";

const QEMU = { vmm: "qemu 7.2", devices: "microvm 1", cpu: "host" };
const FIRECRACKER = { vmm: "firecracker, snapshots 10.0", devices: "firecracker 1", cpu: "host" };

function host(fingerprint: Record<string, string>): HostContext {
  return { accelerator: "kvm", vmm: { fingerprint: async () => fingerprint } } as unknown as HostContext;
}

function snapshot(vmm: Record<string, string>, accelerator = "kvm"): Snapshot {
  return { manifest: { vmm, accelerator } } as unknown as Snapshot;
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
});
