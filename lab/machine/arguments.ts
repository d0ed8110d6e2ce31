// The command line of the lab's machine: the guest's microvm, with a processor that has virtualisation of its own.
import { NETWORK } from "../layout.ts";

export interface LabMachine {
  kernel: string;
  initramfs: string;
  commandLine: string;
  console: string;
  /** In the order in which the lab sees them: vda, vdb, … */
  disks: readonly LabDisk[];
  /** TCP ports: of this machine's loopback, and of the lab. */
  forward: readonly { from: number; to: number }[];
}

export interface LabDisk {
  path: string;
  format: "raw" | "qcow2";
  readOnly: boolean;
  /** Raw image below a qcow2 layer. */
  base?: string;
}

/** `MiB`. A host agent, and some small sandboxes beside each other. */
const MEMORY_MB = 4096;
/** With two, QEMU 7.2 may go on running code that a kernel has just rewritten on the other one: see decision 0008. */
const CPUS = 1;
/** TCG's translation cache, `MiB`: the lab runs a kernel, Node, QEMU and their guests' kernels at once. */
const TRANSLATION_MIB = 512;

/**
 * TCG emulates AMD's virtualisation, SVM with nested pages, which the stock kernel's `kvm_amd` runs guests on: a real
 * /dev/kvm on any machine. `EPYC` is the model with which that is known to work; QEMU warns of features that TCG lacks.
 */
export function labArguments(machine: LabMachine): string[] {
  const forwards = machine.forward.map(
    ({ from, to }) => `hostfwd=tcp:127.0.0.1:${from}-${NETWORK.address}:${to}`,
  );
  return [
    ...["-name", "wrenn-lab"],
    ...["-machine", "microvm,x-option-roms=off,rtc=on,acpi=on,isa-serial=on"],
    ...["-accel", `tcg,thread=multi,tb-size=${TRANSLATION_MIB}`],
    ...["-cpu", "EPYC,+svm,+npt"],
    ...["-smp", String(CPUS), "-m", `${MEMORY_MB}M`],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-kernel", machine.kernel, "-initrd", machine.initramfs, "-append", machine.commandLine],
    ...["-serial", `file:${machine.console}`],
    ...machine.disks.flatMap(diskArguments),
    "-netdev",
    [
      `user,id=net0,ipv6=off,restrict=on,net=${NETWORK.net},host=${NETWORK.host}`,
      `dns=${NETWORK.dns},dhcpstart=${NETWORK.dhcpStart}`,
      ...forwards,
    ].join(","),
    ...["-device", "virtio-net-device,netdev=net0"],
  ];
}

function diskArguments(disk: LabDisk, index: number): string[] {
  const file = (node: string, filename: string, readOnly: boolean) => ({
    driver: "file",
    "node-name": node,
    filename,
    "read-only": readOnly,
  });
  const name = `disk${index}`;
  const nodes: object[] = [];
  if (disk.base !== undefined) {
    nodes.push(file(`${name}bf`, disk.base, true));
    nodes.push({ driver: "raw", "node-name": `${name}b`, file: `${name}bf`, "read-only": true });
  }
  nodes.push(file(`${name}f`, disk.path, disk.readOnly));
  nodes.push({
    driver: disk.format,
    "node-name": name,
    file: `${name}f`,
    "read-only": disk.readOnly,
    ...(disk.base !== undefined && { backing: `${name}b` }),
  });
  return [
    ...nodes.flatMap((node) => ["-blockdev", JSON.stringify(node)]),
    ...["-device", `virtio-blk-device,drive=${name}`],
  ];
}
