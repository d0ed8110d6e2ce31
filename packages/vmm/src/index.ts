// @wrenn/vmm: the port for virtual machine monitors, the QEMU and Firecracker drivers, and the proof of an accelerator.
export { CONSOLE_MAX_BYTES, printable, readConsoleTail, trimConsole } from "./console.ts";
export { FaultThreads, type FaultThreadsOptions } from "./faults/fault-threads.ts";
export type { FaultCounts } from "./faults/tally.ts";
export { type ServerEnd, UffdServer, type UffdServerOptions } from "./faults/uffd-server.ts";
export {
  FIRECRACKER_GUIDE,
  FIRECRACKER_VARIABLE,
  type FirecrackerBinary,
  findFirecracker,
  inspectFirecracker,
  namedFirecracker,
} from "./firecracker/binary.ts";
export type { Rate, Rates } from "./firecracker/boot.ts";
export { type FirecrackerOptions, FirecrackerVmm } from "./firecracker/driver.ts";
export {
  type Proof,
  type ProofOptions,
  proveAccelerator,
  type TrialOptions,
  tryAccelerator,
} from "./prove.ts";
export { QemuVmm } from "./qemu/driver.ts";
export {
  type Accelerator,
  type Disk,
  type DiskLayer,
  type GuestMemory,
  type Machine,
  type MachineExit,
  type MachineNetwork,
  type MachineSpec,
  type MemoryArrival,
  type MemorySource,
  PAGE_BYTES,
  type SavedState,
  type Vmm,
} from "./vmm.ts";
