// What every operation on a sandbox works with: this machine's parts, put together once by the agent.
import type { SlotPool } from "@wrenn/linux";
import type { MemoryImages, SnapshotStore } from "@wrenn/snapshot";
import type { HostTsc } from "@wrenn/template";
import type { Accelerator, Vmm } from "@wrenn/vmm";
import type { Semaphore } from "async-mutex";
import type { ImageStore } from "../image/image-store.ts";
import type { LazyMemory } from "../memory/prepare.ts";
import type { RootfsStore } from "../rootfs/rootfs-store.ts";
import type { Compactor } from "../storage/compactor.ts";
import type { Storage } from "../storage/storage.ts";
import type { Capacity } from "./capacity.ts";

export interface HostContext {
  dataDir: string;
  /** Cgroup of the instance, below the platform's own; sandboxes' names are appended. */
  cgroup: string;
  vmm: Vmm;
  accelerator: Accelerator;
  commandLine: string;
  /** The time stamp counter: the guests' kernels are told its frequency. */
  tsc: HostTsc;
  slots: SlotPool;
  capacity: Capacity;
  rootfs: RootfsStore;
  images: ImageStore;
  snapshots: SnapshotStore;
  memory: MemoryImages;
  /** Memory that arrives while its machine runs: when that is wanted, whether VMMs may, and what comes first. */
  lazyMemory: LazyMemory;
  storage: Storage;
  compactor: Compactor;
  /** Boots at one time: more than this only make each other slower. */
  boots: Semaphore;
  /** Starts from saved memory at one time; each is a tenth of a boot. */
  loads: Semaphore;
  bootDeadlineMs: number;
}
