// The port that every virtual machine monitor is driven through.
import type { LazyPagesRef, PageRange } from "@wrenn/core";
import type { ProcessIdentity } from "@wrenn/linux";

/** How a guest's instructions run. `tcg` is emulation: correct, slow, and no security boundary by itself. */
export type Accelerator = "kvm" | "tcg";

/** One file or block device of a disk. Layers above the first hold only what was written since. */
export interface DiskLayer {
  /** Absolute path on the host. */
  path: string;
  /** `device`: a block device, which the VMM gets a node of its own for. */
  format: "raw" | "qcow2" | "device";
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

/**
 * Where a guest's memory comes from. An image is a descriptor of this process that holds the whole memory and that
 * nobody can write any more (a sealed memfd): every machine started from it shares its pages until it writes them. A
 * lazy memory is the machine's own and arrives while the guest runs: what it touches at once, the rest afterwards. It has
 * to be the memory of the very state that the machine continues from.
 */
export type MemorySource =
  | { kind: "fresh" }
  | { kind: "image"; fd: number }
  | { kind: "lazy"; pages: LazyPagesRef };

/** Everything a VMM needs to know to run one guest. */
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
  /** Default: fresh. */
  memory?: MemorySource;
}

/** Bytes of a page of guest memory as this platform counts them, whatever the host's own pages are. */
export const PAGE_BYTES = 4096;

/**
 * A guest's memory as the host sees it. Offsets are those of the memory image, `bytes`. Reading gives one point in time
 * only while the machine stands still.
 */
export interface GuestMemory {
  readonly bytes: number;
  /**
   * The pages that the machine does not share with its memory source: for an image all that were written since, for
   * fresh memory all that were ever touched, for lazy memory all that have arrived (what has not is as it was saved).
   * Sorted page numbers. Asked after {@link Machine.saveDevices}. Only these may be read while a lazy memory arrives:
   * another one would be waited for.
   */
  privatePages(): Promise<Uint32Array>;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
}

/** What a machine continues from, besides its spec's memory source. */
export interface SavedState {
  /** File that {@link Machine.saveDevices} wrote, by a machine of the same spec but for paths, id, slot and uid. */
  devicesPath: string;
  /** Runs after the memory is mapped and before the devices are loaded: writes the pages that differ from the source. */
  fillMemory?: (memory: GuestMemory) => Promise<void>;
}

/** What has yet to come of a lazy memory. */
export interface MemoryArrival {
  /** Pages that are not zero: how many were sent, of how many. */
  readonly progress: { loaded: number; total: number };
  /** Resolves when all is there. Rejects when the rest will never come; the machine is ended then. */
  readonly complete: Promise<void>;
  /**
   * To be called once the guest has come to itself: what nobody asks for follows from then on. Gives what the guest has
   * waited for until now, in that order, which is what the next machine of its kind will need first.
   */
  settle(): Promise<PageRange[]>;
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
  readonly memory: GuestMemory;
  /** Only of a machine that was started with a lazy memory by this process. */
  readonly arrival?: MemoryArrival | undefined;
  /** Stops the virtual processors; what the guest has written is with the host's kernel. Idempotent. */
  pause(): Promise<void>;
  /** Lets them go on. Idempotent. */
  resume(): Promise<void>;
  /**
   * Writes processors and devices, not memory, to a new file of mode 0600 at `path`. The machine stands still, and
   * {@link memory} gives what belongs to that state until it goes on.
   */
  saveDevices(path: string): Promise<void>;
  /**
   * Puts a new writable layer (an empty qcow2 file in the machine's own directory) on top of a disk. All layers below it
   * are only read from then on. Works while the machine runs and while it stands still.
   */
  addLayer(diskId: string, layer: DiskLayer): Promise<void>;
  /** Told of each disk request of the guest's that the host could not carry out (`enospc`: the host's disk is full). */
  onDiskError(listener: (error: { diskId: string; enospc: boolean }) => void): void;
}

/** A driver: `qemu` or `firecracker`. */
export interface Vmm {
  readonly name: string;
  /**
   * Whether {@link SavedState.fillMemory} works. Where it does not, a machine's memory source has to be the memory of the
   * very state that it continues from.
   */
  readonly fillsMemory: boolean;
  /** Version of the binary as it prints it. */
  version(): Promise<string>;
  /** Starts the process. Resolves once it runs confined; rejects with what it printed when it did not get there. */
  start(spec: MachineSpec): Promise<Machine>;
  /** Starts a process that continues from a saved state; it stands still until {@link Machine.resume}. */
  restore(spec: MachineSpec, saved: SavedState): Promise<Machine>;
  /**
   * Takes over a machine that an earlier process of this platform started and that still runs. Rejects with
   * `not_found` when that process is no longer the same or does not answer, or when its memory had not all arrived.
   */
  adopt(spec: MachineSpec, process: ProcessIdentity): Promise<Machine>;
  /** What a saved state depends on, to be compared before it is loaded: version, machine type, processor model, … */
  fingerprint(spec: Pick<MachineSpec, "accelerator">): Promise<Record<string, string>>;
}
