// @wrenn/linux: everything that needs root. Pure plans, and small executors for them.
export {
  type BlockClaim,
  type ClaimOptions,
  claimBlock,
  findBlockHolder,
  holdBlock,
  releaseBlock,
} from "./block/claim.ts";
export { withMachineLock } from "./block/machine-lock.ts";
export { hasMachines, hasSandboxMachines } from "./block/machines.ts";
export { type BlockNetworkOptions, closeBlockNetwork, openBlockNetwork } from "./block/network.ts";
export {
  PLATFORM_GROUP_PREFIX,
  type Spared,
  type SweepOptions,
  type Swept,
  sweepBlock,
} from "./block/sweep.ts";
export { allowUserfaults, mayUseUserfaults, withdrawUserfaults } from "./block/userfaults.ts";
export type { Cgroup, Cgroups } from "./cgroup/cgroup.ts";
export { type CgroupLayout, cgroupLayout, detectCgroups } from "./cgroup/detect.ts";
export type { CgroupLimits } from "./cgroup/limits.ts";
export {
  type Bind,
  type Confinement,
  confine,
  MERGED_USR,
  type ResourceLimits,
  SYSTEM_BINDS,
} from "./confine/confine.ts";
export { makeDeviceNodes, removeDeviceNodes } from "./confine/device-nodes.ts";
export {
  type ConfinedExit,
  type ConfinedProcess,
  confinedFd,
  type SpawnConfinedOptions,
  spawnConfined,
} from "./confine/spawn.ts";
export {
  createDevice,
  devicePath,
  deviceStatus,
  findDevice,
  listDevices,
  removeDevice,
  resumeDevice,
  suspendDevice,
} from "./dm/device.ts";
export { attachLoop, detachLoop, findLoop, type LoopDevice, loopsBelow } from "./dm/loop.ts";
export { type Origin, Origins } from "./dm/origins.ts";
export {
  copySparse,
  createSnapshot,
  flattenSnapshot,
  removeSnapshot,
  restoreSnapshot,
  type Snapshot,
  snapshotStatus,
  snapshotStatuses,
  whileSuspended,
} from "./dm/snapshot.ts";
export { type SweepDevices, sweepDevices } from "./dm/sweep.ts";
export { cowBytes, type SnapshotStatus } from "./dm/table.ts";
export { TRIAL_PREFIX, tryDeviceMapper } from "./dm/trial.ts";
export {
  removeSynced,
  removeUnfinished,
  renameSynced,
  replaceFile,
  syncPath,
  unfinishedName,
  writeSynced,
} from "./file/durable.ts";
export { applyHostRules, applySlotRules, removeHostRules } from "./firewall/apply.ts";
export { assertEgress, type Egress } from "./firewall/egress.ts";
export { FORBIDDEN_IPV4 } from "./firewall/forbidden.ts";
export { type ForeignForwardRule, foreignForwardRules } from "./firewall/foreign.ts";
export { type FirewallMode, type HostRules, hostRuleset } from "./firewall/host-rules.ts";
export { MAX_GUEST_CONNECTIONS, type SlotRules, slotRuleset } from "./firewall/slot-rules.ts";
export { MemoryFile } from "./memory/memory-file.ts";
export { type MemoryRange, ProcessMemory } from "./memory/process-memory.ts";
export { formatIpv4, inPrefix, parseIpv4 } from "./plan/address.ts";
export {
  BLOCKS,
  type BlockPlan,
  blockOfVmm,
  GUEST,
  planBlock,
  planSlot,
  SLOTS_PER_BLOCK,
  type SlotPlan,
  UPLINK,
} from "./plan/plan.ts";
export {
  type ProbeResult,
  probeCgroups,
  probeDeviceMapper,
  probeForwarding,
  probeHost,
  probeNftables,
  probeReflink,
  probeTun,
  probeUserfaultfd,
} from "./probe/probe.ts";
export { identitiesOf, processesOfUids } from "./process/enumerate.ts";
export { FAULT_FILE_VARIABLE, faultPoint } from "./process/fault-point.ts";
export {
  cpuTimeOf,
  isAlive,
  type ProcessIdentity,
  processIdentity,
  runsAs,
  userOf,
} from "./process/identity.ts";
export { kill, killAll, waitForExit } from "./process/signal.ts";
export { CommandError, type CommandFailure } from "./run/command-error.ts";
export { type Argv, DEFAULT_RUN_DIR, type HostSide, inNetns } from "./run/host-side.ts";
export { type RunOptions, type RunResult, run } from "./run/run.ts";
export { type UntilOptions, until } from "./run/until.ts";
export type { GuestDevice } from "./slot/commands.ts";
export { hasLink, hasNetns, listLinks, listNetns } from "./slot/links.ts";
export { SlotPool, type SlotPoolOptions } from "./slot/pool.ts";
export { type CreateSlotOptions, createSlot, destroySlot } from "./slot/slot.ts";
export { socketPair } from "./socket/socket-pair.ts";
export { connectUnix, connectUntrustedUnix, listenUnix } from "./socket/unix-listener.ts";
