// The port that every virtual machine monitor is driven through.
import type { ProcessIdentity } from "@wrenn/linux";

/** How a guest's instructions run. `tcg` is emulation: correct, slow, and no security boundary by itself. */
export type Accelerator = "kvm" | "tcg";

/** One file of a disk. Layers above the first hold only what was written since. */
export interface DiskLayer {
  /** Absolute path on the host. */
  path: string;
  format: "raw" | "qcow2";
}

/** A block device of the guest, in the order in which the guest sees them (vda, vdb, ...). */
export interface Disk {
  /** Name of the device inside the VMM: `[a-z]+`. */
  id: string;
  /** Bottom first. All but the last are opened read-only; the last too when `readOnly`. */
  layers: readonly DiskLayer[];
  readOnly: boolean;
}

export interface MachineNetwork {
  /** Path of the network namespace that holds the TAP. */
  netnsPath: string;
  tap: string;
  guestMac: string;
}

/** Everything a VMM needs to know to boot one guest. */
export interface MachineSpec {
  /** Sandbox id; names the cgroup and appears in errors. */
  id: string;
  vcpus: number;
  /** Guest memory, `MiB`. */
  memoryMb: number;
  accelerator: Accelerator;
  kernel: string;
  initramfs: string;
  commandLine: string;
  disks: readonly Disk[];
  /** Undefined = a machine without a network card, in a network namespace of its own with nothing in it. */
  net: MachineNetwork | undefined;
  /** User and group id that the VMM runs under; nobody else's. */
  uid: number;
  /** Directory of this machine alone, writable by `uid`: console, control socket, private disk layers. */
  dir: string;
  /** Slash-separated path of the cgroup below the platform's own. */
  cgroup: string;
  /** Largest file that the VMM may write, `bytes`. */
  maxFileBytes: number;
}

/** How the VMM's process ended: its exit status, 128 + n when signal n ended it, null when nobody knows. */
export interface MachineExit {
  status: number | null;
}

/** A guest whose VMM process is running (which says nothing about the guest's own health). */
export interface Machine {
  readonly process: ProcessIdentity;
  /** Settles when the process has gone; never rejects. */
  readonly exited: Promise<MachineExit>;
  /** Last part of the serial console, printable characters only, at most 4 KiB. */
  consoleTail(): Promise<string>;
  /** Ends the process and waits until it has gone. Succeeds when it already has. */
  kill(): Promise<void>;
}

/** A driver: `qemu`, later `firecracker`. */
export interface Vmm {
  readonly name: string;
  /** Version of the binary as it prints it. */
  version(): Promise<string>;
  /** Starts the process. Resolves once it runs confined; rejects with what it printed when it did not get there. */
  start(spec: MachineSpec): Promise<Machine>;
}
