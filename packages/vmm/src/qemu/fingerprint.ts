// What QEMU's saved states depend on besides their machine's own description.
import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { hostCpu } from "../host-processor.ts";
import type { MachineSpec } from "../vmm.ts";
import { cpuModel, DEVICE_SET } from "./arguments.ts";

/**
 * The microvm machine type has no versions of its own, so a state fits the minor version of QEMU that wrote it; patch
 * releases keep the format. Emulated processors are the same on every host. Under KVM the guest's processor is the
 * host's, and what of it is shown depends on the kernel.
 */
export async function qemuFingerprint(
  version: string,
  { accelerator }: Pick<MachineSpec, "accelerator">,
): Promise<Record<string, string>> {
  const common = {
    vmm: `qemu ${version.split(".").slice(0, 2).join(".")}`,
    devices: DEVICE_SET,
    accelerator,
    cpu: cpuModel(accelerator),
  };
  if (accelerator === "tcg") return common;
  const cpuinfo = await readFile("/proc/cpuinfo", "latin1");
  return { ...common, hostCpu: hostCpu(cpuinfo), hostKernel: release() };
}
