// Whether there is a Firecracker that the host agent could use.
import { WrennError } from "@wrenn/core";
import type { ProbeResult } from "@wrenn/linux";
import { FIRECRACKER_GUIDE, FIRECRACKER_VARIABLE, findFirecracker, inspectFirecracker } from "@wrenn/vmm";

const NAME = "Firecracker (optional)";

/** Looks at the binary alone: whether guests run on it is seen when the host agent starts. */
export async function probeFirecracker(env: NodeJS.ProcessEnv): Promise<ProbeResult> {
  const result = { name: NAME, required: false };
  try {
    const path = findFirecracker(env);
    if (path === undefined) {
      return {
        ...result,
        ok: false,
        detail: "not there; QEMU runs the guests",
        remedy: `how to get it: ${FIRECRACKER_GUIDE}; then set ${FIRECRACKER_VARIABLE} to its path`,
      };
    }
    const { version, snapshotVersion } = await inspectFirecracker(path);
    const chosen = env[FIRECRACKER_VARIABLE]
      ? "used where KVM and the device mapper work"
      : "used with --vmm firecracker";
    return { ...result, ok: true, detail: `${version}, snapshots ${snapshotVersion}, at ${path}; ${chosen}` };
  } catch (reason) {
    if (!(reason instanceof WrennError)) throw reason;
    return { ...result, ok: false, detail: reason.message, remedy: `see ${FIRECRACKER_GUIDE}` };
  }
}
