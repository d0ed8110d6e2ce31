// What a QEMU process may see and use, as pure functions of its machine.
import { MIB } from "@wrenn/core";
import { type Bind, type CgroupLimits, type Confinement, MERGED_USR, SYSTEM_BINDS } from "@wrenn/linux";
import type { DiskLayer, MachineSpec } from "../vmm.ts";
import { INSIDE, layerPath, TCG_TRANSLATION_MIB } from "./arguments.ts";

/** QEMU's own memory beside guest RAM and translation cache, `MiB`; measured about 60, with room for I/O buffers. */
const QEMU_OWN_MIB = 128;
/** Processor time beyond the virtual processors', for QEMU's main loop and I/O threads. */
const EXTRA_CPUS = 0.5;
/** Threads: virtual processors, main loop, RCU, and a pool of up to 64 for block I/O. */
const MAX_TASKS = 128;
const MAX_DESCRIPTORS = 256;

/** Devices of the host that a machine's VMM opens, and where it sees them. */
export function machineDevices(spec: MachineSpec): { from: string; to: string }[] {
  const general = [
    ...(spec.net ? ["/dev/net/tun"] : []),
    ...(spec.accelerator === "kvm" ? ["/dev/kvm"] : []),
  ];
  const disks = layersOf(spec).filter(({ layer }) => layer.format === "device");
  return [
    ...general.map((path) => ({ from: path, to: path })),
    ...disks.map(({ layer, to }) => ({ from: layer.path, to })),
  ];
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
  return layersOf(spec).flatMap(({ layer, to }) =>
    layer.format === "device" || to.startsWith(`${INSIDE.dir}/`) ? [] : [{ from: layer.path, to }],
  );
}

/** All layers of all disks, and where the VMM sees them. */
function layersOf(spec: MachineSpec): { layer: DiskLayer; to: string }[] {
  return spec.disks.flatMap((disk) =>
    disk.layers.map((layer, index) => ({ layer, to: layerPath(spec, disk, index) })),
  );
}
