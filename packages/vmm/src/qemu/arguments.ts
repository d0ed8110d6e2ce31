// The command line of a QEMU microvm as a pure function of what the machine is.
import type { Disk, MachineNetwork, MachineSpec } from "../vmm.ts";

/** Where a confined QEMU finds its files: the same for every sandbox, so that saved state fits any of them. */
export const INSIDE = {
  /** Private writable directory. */
  dir: "/vm",
  qmp: "/vm/qmp.sock",
  console: "/vm/console.log",
  kernel: "/img/kernel",
  initramfs: "/img/initramfs",
} as const;

/**
 * Size of TCG's translation cache, `MiB`. Left alone QEMU 7.2 takes up to a quarter of the guest's memory;
 * 64 holds the working set of a Linux guest with an interpreter, and is full after modest use.
 */
export const TCG_TRANSLATION_MIB = 64;

/** Path inside the confinement of layer `index` of a disk. Private layers live in {@link INSIDE.dir}. */
export function layerPath(spec: MachineSpec, disk: Disk, index: number): string {
  const layer = disk.layers[index];
  if (!layer) throw new Error(`disk ${disk.id} has no layer ${index}`);
  const isPrivate = layer.path.startsWith(`${spec.dir}/`);
  return isPrivate ? `${INSIDE.dir}${layer.path.slice(spec.dir.length)}` : `/img/${disk.id}.${index}`;
}

/**
 * Arguments for `qemu-system-x86_64` (7.2 or later). The machine type and its options are those that boot a stock
 * Debian kernel each time: `acpi=on` since that kernel finds virtio-mmio devices only through ACPI; PIT and PIC
 * stay on under TCG, which has no TSC deadline timer.
 */
export function qemuArguments(spec: MachineSpec): string[] {
  const kvm = spec.accelerator === "kvm";
  const machine = ["microvm", "x-option-roms=off", "rtc=on", "acpi=on", "isa-serial=on"];
  if (kvm) machine.push("pit=off", "pic=off");
  return [
    ...["-name", spec.id],
    ...["-machine", machine.join(",")],
    ...["-accel", kvm ? "kvm" : `tcg,thread=multi,tb-size=${TCG_TRANSLATION_MIB}`],
    ...["-cpu", kvm ? "host" : "max"],
    ...["-smp", String(spec.vcpus)],
    ...["-m", `${spec.memoryMb}M`],
    ...["-nodefaults", "-no-user-config", "-no-reboot"],
    ...["-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-kernel", INSIDE.kernel],
    ...["-initrd", INSIDE.initramfs],
    ...["-append", spec.commandLine],
    ...["-chardev", `file,id=console,path=${INSIDE.console},append=on`],
    ...["-serial", "chardev:console"],
    ...["-qmp", `unix:${INSIDE.qmp},server=on,wait=off`],
    ...spec.disks.flatMap((disk) => diskArguments(spec, disk)),
    ...(spec.net ? networkArguments(spec.net) : []),
  ];
}

function networkArguments(net: MachineNetwork): string[] {
  return [
    ...["-netdev", `tap,id=net0,ifname=${net.tap},script=no,downscript=no,vhost=off`],
    ...["-device", `virtio-net-device,netdev=net0,mac=${net.guestMac}`],
  ];
}

/**
 * Backing nodes are given explicitly: whatever a header that the guest's VMM could have written names as its backing
 * file is never opened. A full host disk is reported to the guest (`werror=report`), which does not stop the machine.
 */
function diskArguments(spec: MachineSpec, disk: Disk): string[] {
  const last = disk.layers.length - 1;
  const nodes = disk.layers.flatMap((layer, index) => {
    const readOnly = disk.readOnly || index < last;
    const file = {
      driver: "file",
      "node-name": `${disk.id}${index}f`,
      filename: layerPath(spec, disk, index),
      "read-only": readOnly,
      // A lock would keep clones from sharing a base; private layers have one user by construction.
      locking: "off",
      ...(readOnly ? {} : { discard: "unmap" }),
    };
    const format = {
      driver: layer.format,
      "node-name": `${disk.id}${index}`,
      file: file["node-name"],
      "read-only": readOnly,
      ...(readOnly ? {} : { discard: "unmap" }),
      ...(layer.format === "qcow2" ? { backing: index > 0 ? `${disk.id}${index - 1}` : null } : {}),
    };
    return ["-blockdev", JSON.stringify(file), "-blockdev", JSON.stringify(format)];
  });
  return [
    ...nodes,
    "-device",
    `virtio-blk-device,drive=${disk.id}${last},id=${disk.id},werror=report,rerror=report`,
  ];
}
