// What a QEMU process may see and use, as pure functions of its machine.
import { MIB } from "@wrenn/core";
import { type Bind, type CgroupLimits, type Confinement, MERGED_USR, SYSTEM_BINDS } from "@wrenn/linux";
import type { MachineSpec } from "../vmm.ts";
import { INSIDE, layerPath, TCG_TRANSLATION_MIB } from "./arguments.ts";

/** QEMU's own memory beside guest RAM and translation cache, `MiB`; measured about 60, with room for I/O buffers. */
const QEMU_OWN_MIB = 128;
/** Processor time beyond the virtual processors', for QEMU's main loop and I/O threads. */
const EXTRA_CPUS = 0.5;
/** Threads: virtual processors, main loop, RCU, and a pool of up to 64 for block I/O. */
const MAX_TASKS = 128;
const MAX_DESCRIPTORS = 256;

/** Devices of the host that a machine's VMM opens. */
export function machineDevices(spec: MachineSpec): string[] {
  return [...(spec.net ? ["/dev/net/tun"] : []), ...(spec.accelerator === "kvm" ? ["/dev/kvm"] : [])];
}

/** Namespaces, files and identity of a machine's VMM. Only its own directory and its devices are writable. */
export function machineConfinement(spec: MachineSpec, devices: readonly Bind[]): Confinement {
  return {
    uid: spec.uid,
    gid: spec.uid,
    netns: spec.net?.netnsPath ?? null,
    binds: {
      ro: [
        ...SYSTEM_BINDS,
        { from: spec.kernel, to: INSIDE.kernel },
        { from: spec.initramfs, to: INSIDE.initramfs },
        ...sharedLayers(spec),
      ],
      rw: [{ from: spec.dir, to: INSIDE.dir }],
      devices,
    },
    symlinks: MERGED_USR,
    limits: { fsizeBytes: spec.maxFileBytes, nofile: MAX_DESCRIPTORS },
    chdir: INSIDE.dir,
    hostname: "vmm",
  };
}

/**
 * The limit covers all that QEMU needs, so that the guest's own out-of-memory killer acts first, not the host's. Pages
 * that an image does not hold yet (`imageHoleBytes`) come into being, once for all machines that share it, at the cost
 * of the first that touches them.
 */
export function machineLimits(spec: MachineSpec, imageHoleBytes = 0): CgroupLimits {
  const translation = spec.accelerator === "tcg" ? TCG_TRANSLATION_MIB : 0;
  return {
    memoryBytes: (spec.memoryMb + translation + QEMU_OWN_MIB) * MIB + imageHoleBytes,
    cpus: spec.vcpus + EXTRA_CPUS,
    pids: MAX_TASKS,
  };
}

function sharedLayers(spec: MachineSpec): Bind[] {
  return spec.disks.flatMap((disk) =>
    disk.layers.flatMap((layer, index) => {
      const to = layerPath(spec, disk, index);
      return to.startsWith(`${INSIDE.dir}/`) ? [] : [{ from: layer.path, to }];
    }),
  );
}
