// The command line of a QEMU microvm as a pure function of what the machine is.
import type { Accelerator, Disk, MachineNetwork, MachineSpec } from "../vmm.ts";
import { layerNodes, nodeName } from "./block-nodes.ts";

/** Where a confined QEMU finds its files: the same for every sandbox, so that saved state fits any of them. */
export const INSIDE = {
  /** Private writable directory. */
  dir: "/vm",
  console: "/vm/console.log",
  deviceState: "/vm/devices.state",
  kernel: "/img/kernel",
  initramfs: "/img/initramfs",
} as const;

/**
 * Most that TCG's translation cache holds, `MiB`. Left alone QEMU 7.2 takes up to a quarter of the guest's memory. A full
 * cache is thrown away as a whole and all of it translated again; 64 is full after modest use (decision 0026).
 */
export const TCG_TRANSLATION_MIB = 128;

export interface QemuOptions {
  fds: InheritedFds;
  /** It waits for a saved state instead of starting the guest, and runs the guest only when told to. */
  incoming: boolean;
  /**
   * Nothing runs and nothing is behind the devices: it is asked what its memory besides the guest's holds
   * ({@link probeRoms}). Default: false.
   */
  probe?: boolean;
}

/** Numbers of the descriptors that the process inherits. */
export interface InheritedFds {
  /** Listening socket for its control protocol. */
  qmp: number;
  /** Image of the guest's memory; undefined = fresh memory. */
  memory?: number | undefined;
}

/**
 * Machine type and devices as far as {@link qemuArguments} fixes them. A saved state fits no other: whoever changes
 * what a guest sees counts this up.
 */
export const DEVICE_SET = "microvm 1";

/** Names the guest's memory in QEMU. */
export const MEMORY_ID = "m0";

/** Path inside the confinement of layer `index` of a disk. Private layers live in {@link INSIDE.dir}. */
export function layerPath(spec: MachineSpec, disk: Disk, index: number): string {
  const layer = disk.layers[index];
  if (!layer) throw new Error(`disk ${disk.id} has no layer ${index}`);
  return insideDir(spec, layer.path) ?? `/img/${disk.id}.${index}`;
}

/** Where the VMM sees a file of its machine's own directory; undefined for any other. */
export function insideDir(spec: Pick<MachineSpec, "dir">, path: string): string | undefined {
  return path.startsWith(`${spec.dir}/`) ? `${INSIDE.dir}${path.slice(spec.dir.length)}` : undefined;
}

/** QEMU's name of the guest's processor. `host` under KVM: the guest sees what the host's processor has. */
export function cpuModel(accelerator: Accelerator): string {
  return accelerator === "kvm" ? "host" : "max";
}

/**
 * The processor with what it says of itself. `erms` and `fsrm` promise that copying byte by byte (`rep movsb`) is quick;
 * TCG does one byte at a time, and a kernel that is not promised it copies and clears eight. Neither is an instruction, so
 * saved states do not depend on them: one from before goes on, and its kernel copies as it did.
 */
function processor(accelerator: Accelerator): string {
  const model = cpuModel(accelerator);
  return accelerator === "tcg" ? `${model},-erms,-fsrm` : model;
}

/**
 * Arguments for `qemu-system-x86_64` (7.2 or later). The machine type and its options are those that boot a stock
 * Debian kernel each time: `acpi=on` since that kernel finds virtio-mmio devices only through ACPI; PIT and PIC
 * stay on under TCG, which has no TSC deadline timer.
 */
export function qemuArguments(spec: MachineSpec, options: QemuOptions): string[] {
  const kvm = spec.accelerator === "kvm";
  const machine = ["microvm", "x-option-roms=off", "rtc=on", "acpi=on", "isa-serial=on"];
  // No search for equal pages across sandboxes: how long a write takes would tell what others hold.
  machine.push("mem-merge=off", `memory-backend=${MEMORY_ID}`);
  if (kvm) machine.push("pit=off", "pic=off");
  return [
    ...["-name", spec.id],
    ...["-machine", machine.join(",")],
    ...["-accel", kvm ? "kvm" : `tcg,thread=multi,tb-size=${TCG_TRANSLATION_MIB}`],
    ...["-cpu", processor(spec.accelerator)],
    ...["-smp", String(spec.vcpus)],
    ...["-m", `${spec.memoryMb}M`],
    ...["-object", memoryBackend(spec, options)],
    // Saved states hold the devices alone, without the section that this would expect.
    ...["-global", "migration.send-configuration=off"],
    ...(options.incoming || options.probe ? ["-S"] : []),
    ...(options.incoming ? ["-incoming", "defer"] : []),
    ...["-nodefaults", "-no-user-config", "-no-reboot"],
    ...["-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-kernel", INSIDE.kernel],
    ...["-initrd", INSIDE.initramfs],
    ...["-append", spec.commandLine],
    ...["-chardev", `file,id=console,path=${INSIDE.console},append=on`],
    ...["-serial", "chardev:console"],
    ...["-chardev", `socket,id=qmp,fd=${options.fds.qmp},server=on,wait=off`],
    ...["-mon", "chardev=qmp,mode=control"],
    ...spec.disks.flatMap((disk) => [
      ...(options.probe ? placeholderOf(disk) : blockArguments(spec, disk)),
      ...diskDevice(disk),
    ]),
    ...(spec.net ? networkArguments(spec.net, options) : []),
  ];
}

/**
 * An image is opened by its descriptor's name, since QEMU before 8.2 opens a file of memory for writing only, which
 * one user's sealed memfd allows another without letting it write. `share=off`: written pages are the machine's own.
 */
function memoryBackend(spec: MachineSpec, { fds, probe }: QemuOptions): string {
  const size = `id=${MEMORY_ID},size=${spec.memoryMb}M`;
  // What is shared can be left out of a migration.
  if (probe) return `memory-backend-ram,${size},share=on`;
  if (fds.memory === undefined) return `memory-backend-ram,${size}`;
  return `memory-backend-file,${size},mem-path=/proc/self/fd/${fds.memory},share=off`;
}

function networkArguments(net: MachineNetwork, { probe }: QemuOptions): string[] {
  const behind = probe ? "hubport,hubid=0" : `tap,ifname=${net.tap},script=no,downscript=no,vhost=off`;
  return [
    ...["-netdev", `${behind},id=net0`],
    ...["-device", `virtio-net-device,netdev=net0,mac=${net.guestMac}`],
  ];
}

function blockArguments(spec: MachineSpec, disk: Disk): string[] {
  const last = disk.layers.length - 1;
  const nodes = disk.layers.flatMap((layer, index) =>
    layerNodes({
      diskId: disk.id,
      index,
      filename: layerPath(spec, disk, index),
      format: layer.format,
      readOnly: disk.readOnly || index < last,
      backing: index > 0 ? nodeName(disk.id, index - 1) : null,
    }),
  );
  return nodes.flatMap((node) => ["-blockdev", JSON.stringify(node)]);
}

function placeholderOf(disk: Disk): string[] {
  const node = { driver: "null-co", "node-name": topNode(disk), size: 1024 * 1024, "read-zeroes": true };
  return ["-blockdev", JSON.stringify({ ...node, "read-only": disk.readOnly })];
}

function diskDevice(disk: Disk): string[] {
  return ["-device", `virtio-blk-device,drive=${topNode(disk)},id=${disk.id},werror=report,rerror=report`];
}

function topNode(disk: Disk): string {
  return nodeName(disk.id, disk.layers.length - 1);
}
