// Whether this host can continue a snapshot: what its memory and devices depend on, compared before anything is started.
import { WrennError } from "@wrenn/core";
import { type Snapshot, type TscFacts, tscOf } from "@wrenn/snapshot";
import type { HostContext } from "./context.ts";

/** Frequencies that differ by less are the same one, in parts per million: what QEMU and Firecracker say, after NTP. */
const TSC_TOLERANCE_PPM = 250;

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
  const reasons = names
    .filter((name) => manifest.vmm[name] !== here[name])
    .map((name) => `${name} was ${manifest.vmm[name] ?? "unknown"} and is ${here[name] ?? "unknown"}`);
  return [...reasons, ...tscMisfit(context, manifest)];
}

/**
 * A guest goes on counting time with the frequency that it has found at its boot. Under KVM a processor that scales gives
 * it that one; where it does not, QEMU only warns (`kvm_arch_set_tsc_khz`). Under TCG a guest reads the host's counter
 * itself, from an offset (`cpu_get_ticks`): nothing can scale it. Figures are compared with their like only.
 */
function tscMisfit({ accelerator, tsc }: HostContext, { tscKhz, tscSource }: Snapshot["manifest"]): string[] {
  if (tscSource !== tsc.source || tsc.source === "current") return [];
  if (accelerator === "kvm" && tsc.scales) return [];
  if (Math.abs(tsc.khz - tscKhz) * 1_000_000 <= tscKhz * TSC_TOLERANCE_PPM) return [];
  const [was, is] = [tscKhz, tsc.khz].map((khz) => (khz / 1000).toFixed(3));
  return [
    `the time stamp counter ran at ${was} MHz and runs at ${is} MHz here, which would put its clock wrong`,
  ];
}

/** The counter of a guest that begins here: this host's for a boot; one that goes on has it from its own boot. */
export function guestTsc({ tsc }: HostContext, saved?: TscFacts): TscFacts {
  return saved ? tscOf(saved) : { tscKhz: tsc.khz, tscSource: tsc.source };
}

/** `qemu` or `firecracker`: the first word of what a fingerprint says. */
function vmmName({ vmm }: Record<string, string>): string {
  return /^[a-z]+/.exec(vmm ?? "")?.[0] ?? "an unknown VMM";
}
