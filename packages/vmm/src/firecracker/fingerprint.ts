// What Firecracker's saved states depend on besides their machine's own description.
import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { hostCpu } from "../host-processor.ts";
import type { FirecrackerBinary } from "./binary.ts";
import { DEVICE_SET } from "./boot.ts";

/**
 * A state fits every Firecracker of the same major version of its format (docs/snapshotting/versioning.md of Firecracker
 * promises that for later minor ones, and either may come after the other here, so those are compared too). The guest's
 * processor is the host's, and what of it is shown depends on the kernel.
 */
export async function firecrackerFingerprint({
  snapshotVersion,
}: Pick<FirecrackerBinary, "snapshotVersion">): Promise<Record<string, string>> {
  const cpuinfo = await readFile("/proc/cpuinfo", "latin1");
  return {
    vmm: `firecracker, snapshots ${snapshotVersion.split(".").slice(0, 2).join(".")}`,
    devices: DEVICE_SET,
    accelerator: "kvm",
    cpu: "host",
    hostCpu: hostCpu(cpuinfo),
    hostKernel: release(),
  };
}
