// What QEMU's saved states depend on besides their machine's own description.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { release } from "node:os";
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

/** Model and features of the first processor in `/proc/cpuinfo`; the features as a hash, since they fill a page. */
export function hostCpu(cpuinfo: string): string {
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(cpuinfo)?.[1] ?? "unknown";
  const identity = ["vendor_id", "cpu family", "model", "stepping"].map(field).join(" ");
  const features = createHash("sha256").update(field("flags")).digest("hex").slice(0, 16);
  return `${identity} ${features}`;
}
