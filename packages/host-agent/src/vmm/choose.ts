// Which VMM runs the guests of this host, and on which accelerator: what a guest has really run on.
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { type Cgroups, planBlock } from "@wrenn/linux";
import { type HostTsc, hostTsc, kernelCommandLine } from "@wrenn/template";
import {
  type Accelerator,
  FIRECRACKER_GUIDE,
  FIRECRACKER_VARIABLE,
  FirecrackerVmm,
  inspectFirecracker,
  type Proof,
  proveAccelerator,
  QemuVmm,
  type Vmm,
} from "@wrenn/vmm";
import type { Logger } from "pino";
import type { Config } from "../config.ts";

export interface ChooseVmm {
  config: Config;
  cgroups: Cgroups;
  /** Paths of the guest's parts. */
  guest: { kernel: string; initramfs: string };
  /** How disks are kept: Firecracker takes devices only. */
  disks: "qcow2" | "dm";
  log: Logger;
}

export interface ChosenVmm {
  vmm: Vmm;
  accelerator: Accelerator;
  /** Of the guests' kernels. */
  commandLine: string;
  tsc: HostTsc;
}

/**
 * Firecracker where it is asked for, or named by `FIRECRACKER_BIN` while the choice is left to the host, and where a guest
 * has run on it; else QEMU. Throws `unavailable` with the reason when Firecracker is asked for and cannot be.
 */
export async function chooseVmm(options: ChooseVmm): Promise<ChosenVmm> {
  const { config, cgroups, log } = options;
  const tsc = await hostTsc();
  const host = { commandLine: kernelCommandLine({ tscKhz: tsc.khz }), tsc };
  const wanted = config.vmm === "firecracker" || (config.vmm === "auto" && config.firecracker !== undefined);
  if (wanted) {
    const found = await tryFirecracker(options, host.commandLine);
    if (typeof found !== "string") return { ...host, vmm: found, accelerator: "kvm" };
    if (config.vmm === "firecracker")
      throw new WrennError("unavailable", `Firecracker cannot run guests here: ${found}`);
    log.warn({ reason: found }, "Firecracker cannot run guests here: QEMU does");
  }
  const vmm = new QemuVmm({ cgroups });
  if (config.rates.disk || config.rates.network)
    log.warn("bounds of what a sandbox may use of disks and network are kept by Firecracker only");
  const { accelerator, reason } = await prove(vmm, options, host.commandLine);
  if (reason !== undefined) log.warn({ reason }, "KVM is not usable here: guests are emulated (tcg)");
  return { ...host, vmm, accelerator };
}

/** Firecracker, or why not. */
async function tryFirecracker(options: ChooseVmm, commandLine: string): Promise<FirecrackerVmm | string> {
  const { config, cgroups, disks } = options;
  if (config.firecracker === undefined)
    return `there is none; get it (${FIRECRACKER_GUIDE}) and set ${FIRECRACKER_VARIABLE}`;
  if (disks !== "dm") return "its disks are devices, and the device mapper is not used here (WRENN_ROOTFS)";
  try {
    const vmm = new FirecrackerVmm({
      cgroups,
      binary: await inspectFirecracker(config.firecracker),
      rates: config.rates,
      codeCacheDir: join(config.dataDir, "code"),
    });
    const { reason } = await prove(vmm, options, commandLine);
    return reason ?? vmm;
  } catch (reason) {
    if (reason instanceof WrennError) return reason.message;
    throw reason;
  }
}

function prove(vmm: Vmm, { config, guest }: ChooseVmm, commandLine: string): Promise<Proof> {
  const plan = planBlock(config.block);
  return proveAccelerator({
    vmm,
    ...guest,
    commandLine,
    dir: join(config.dataDir, "proof"),
    uid: plan.vmmUids.last,
    cgroup: `${plan.cgroup}/proof`,
    cacheFile: join(config.runDir, vmm.name === "qemu" ? "accelerator.json" : `accelerator-${vmm.name}.json`),
    deadlineMs: config.proofDeadlineMs,
  });
}
