// What a Firecracker process may see and use, as pure functions of its machine.
import { MIB } from "@wrenn/core";
import { type Bind, type CgroupLimits, type Confinement, MERGED_USR, SYSTEM_BINDS } from "@wrenn/linux";
import type { MachineSpec } from "../vmm.ts";
import { onlyLayer } from "./boot.ts";
import { diskPath, INSIDE, pagesSocket } from "./layout.ts";

/** Firecracker's own memory beside the guest's, `MiB`; it promises 5 (its SPECIFICATION.md), and loading a state takes more. */
const OWN_MIB = 64;
/** Processor time beyond the virtual processors', for the thread that serves the devices and the one of the API. */
const EXTRA_CPUS = 0.5;
/** Threads: virtual processors, devices, API. */
const EXTRA_TASKS = 16;
const MAX_DESCRIPTORS = 512;

export interface ConfinementOptions {
  binary: string;
  devices: readonly Bind[];
}

/** Devices of the host that a machine's VMM opens, and where it sees them. */
export function machineDevices(spec: MachineSpec): { from: string; to: string }[] {
  const general = [
    "/dev/kvm",
    ...(spec.net ? ["/dev/net/tun"] : []),
    ...(spec.memory?.kind === "lazy" ? ["/dev/userfaultfd"] : []),
  ];
  const disks = spec.disks.flatMap((disk) => {
    const { path, format } = onlyLayer(disk);
    return format === "device" ? [{ from: path, to: diskPath(disk) }] : [];
  });
  return [...general.map((path) => ({ from: path, to: path })), ...disks];
}

/** Namespaces, files and identity of a machine's VMM. Only its own directory and its writable disks are writable. */
export function machineConfinement(spec: MachineSpec, { binary, devices }: ConfinementOptions): Confinement {
  const files = spec.disks.flatMap((disk) => {
    const { path, format } = onlyLayer(disk);
    return format === "raw" ? [{ bind: { from: path, to: diskPath(disk) }, readOnly: disk.readOnly }] : [];
  });
  return {
    uid: spec.uid,
    gid: spec.uid,
    netns: spec.net?.netnsPath ?? null,
    binds: {
      ro: [
        ...SYSTEM_BINDS,
        { from: binary, to: INSIDE.binary },
        { from: spec.kernel, to: INSIDE.kernel },
        { from: spec.initramfs, to: INSIDE.initramfs },
        ...files.filter(({ readOnly }) => readOnly).map(({ bind }) => bind),
      ],
      rw: [
        { from: spec.dir, to: INSIDE.dir },
        ...files.filter(({ readOnly }) => !readOnly).map(({ bind }) => bind),
        ...(spec.memory?.kind === "lazy" ? [{ from: pagesSocket(spec), to: INSIDE.pages }] : []),
      ],
      devices,
    },
    symlinks: MERGED_USR,
    limits: {
      // Also of the picture of its memory.
      fsizeBytes: Math.max(spec.maxFileBytes, spec.memoryMb * MIB),
      nofile: MAX_DESCRIPTORS,
    },
    chdir: INSIDE.dir,
    hostname: "vmm",
  };
}

/**
 * Twice the guest's memory: once as the guest has it, once as Firecracker writes it when the machine is saved, at most.
 * For `imageHoleBytes` see the same of QEMU.
 */
export function machineLimits(spec: MachineSpec, imageHoleBytes = 0): CgroupLimits {
  return {
    memoryBytes: (2 * spec.memoryMb + OWN_MIB) * MIB + imageHoleBytes,
    cpus: spec.vcpus + EXTRA_CPUS,
    pids: spec.vcpus + EXTRA_TASKS,
  };
}
