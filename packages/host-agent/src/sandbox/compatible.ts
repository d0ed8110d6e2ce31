// Whether this host can continue a snapshot: what its memory and devices depend on, compared before anything is started.
import { WrennError } from "@wrenn/core";
import type { Snapshot } from "@wrenn/snapshot";
import type { HostContext } from "./context.ts";

/** Throws `snapshot_incompatible` with the reason; what can be done instead, the control plane says. */
export async function assertFits(context: HostContext, snapshot: Snapshot): Promise<void> {
  const reasons = await misfits(context, snapshot);
  if (reasons.length === 0) return;
  throw new WrennError(
    "snapshot_incompatible",
    `this host cannot continue the saved memory: ${reasons.join("; ")}`,
  );
}

/** Each difference that matters, as a sentence. Empty = it fits. */
export async function misfits(context: HostContext, { manifest }: Snapshot): Promise<string[]> {
  const { accelerator } = manifest;
  if (accelerator !== context.accelerator) {
    return [`it was saved under ${accelerator}, and this host runs guests under ${context.accelerator}`];
  }
  const here = await context.vmm.fingerprint({ accelerator: context.accelerator });
  const [theirs, ours] = [manifest.vmm, here].map(vmmName);
  if (theirs !== ours) {
    return [
      `it was saved by ${theirs}, and this host runs guests with ${ours} (WRENN_VMM=${theirs} forces the other)`,
    ];
  }
  const names = [...new Set([...Object.keys(manifest.vmm), ...Object.keys(here)])].sort();
  return names
    .filter((name) => manifest.vmm[name] !== here[name])
    .map((name) => `${name} was ${manifest.vmm[name] ?? "unknown"} and is ${here[name] ?? "unknown"}`);
}

/** `qemu` or `firecracker`: the first word of what a fingerprint says. */
function vmmName({ vmm }: Record<string, string>): string {
  return /^[a-z]+/.exec(vmm ?? "")?.[0] ?? "an unknown VMM";
}
