// What Firecracker is sent and answers, as far as this driver uses it, in our own words.
// Source: Firecracker's API description, src/firecracker/swagger/firecracker.yaml, version 1.16.1. Whether these schemas
// still agree with a published description is checked by `node tests/firecracker/agree.ts FILE`.
import { type Static, type TSchema, Type } from "typebox";

/** Firecracker refuses a field that it does not know. */
const request = <T extends Record<string, TSchema>>(fields: T) =>
  Type.Object(fields, { additionalProperties: false });

/** A bucket of `size` tokens that is full again after `refill_time` ms, with an initial extra of `one_time_burst`. */
const TokenBucket = request({
  size: Type.Integer({ minimum: 0 }),
  refill_time: Type.Integer({ minimum: 0 }),
  one_time_burst: Type.Optional(Type.Integer({ minimum: 0 })),
});

const RateLimiter = request({
  /** Tokens are bytes. */
  bandwidth: Type.Optional(TokenBucket),
  /** Tokens are operations. */
  ops: Type.Optional(TokenBucket),
});

const MachineConfiguration = request({
  vcpu_count: Type.Integer({ minimum: 1, maximum: 32 }),
  mem_size_mib: Type.Integer(),
  smt: Type.Optional(Type.Boolean()),
  /** Has KVM log which pages the guest writes, for snapshots of the kind `Diff`. */
  track_dirty_pages: Type.Optional(Type.Boolean()),
});

const BootSource = request({
  kernel_image_path: Type.String(),
  initrd_path: Type.Optional(Type.String()),
  boot_args: Type.Optional(Type.String()),
});

const Drive = request({
  drive_id: Type.String(),
  /** Adds a `root=` to the kernel's command line. */
  is_root_device: Type.Boolean(),
  path_on_host: Type.Optional(Type.String()),
  is_read_only: Type.Optional(Type.Boolean()),
  /** `Writeback`: a flush of the guest's is one of the host's. */
  cache_type: Type.Optional(Type.Enum(["Unsafe", "Writeback"])),
  io_engine: Type.Optional(Type.Enum(["Sync", "Async"])),
  rate_limiter: Type.Optional(RateLimiter),
});

const PartialDrive = request({
  drive_id: Type.String(),
  path_on_host: Type.Optional(Type.String()),
  rate_limiter: Type.Optional(RateLimiter),
});

const NetworkInterface = request({
  iface_id: Type.String(),
  /** Name of the TAP. */
  host_dev_name: Type.String(),
  guest_mac: Type.Optional(Type.String()),
  rx_rate_limiter: Type.Optional(RateLimiter),
  tx_rate_limiter: Type.Optional(RateLimiter),
});

const PartialNetworkInterface = request({
  iface_id: Type.String(),
  rx_rate_limiter: Type.Optional(RateLimiter),
  tx_rate_limiter: Type.Optional(RateLimiter),
});

const EntropyDevice = request({ rate_limiter: Type.Optional(RateLimiter) });

const InstanceActionInfo = request({
  action_type: Type.Enum(["FlushMetrics", "InstanceStart", "SendCtrlAltDel"]),
});

const Vm = request({ state: Type.Enum(["Paused", "Resumed"]) });

const SnapshotCreateParams = request({
  snapshot_path: Type.String(),
  mem_file_path: Type.String(),
  /** Default: `Full`. A `Diff` is written over what the file of memory holds already. */
  snapshot_type: Type.Optional(Type.Enum(["Full", "Diff"])),
});

const MemoryBackend = request({
  backend_type: Type.Enum(["File", "Uffd"]),
  backend_path: Type.String(),
});

const NetworkOverride = request({ iface_id: Type.String(), host_dev_name: Type.String() });

const SnapshotLoadParams = request({
  snapshot_path: Type.String(),
  mem_backend: Type.Optional(MemoryBackend),
  track_dirty_pages: Type.Optional(Type.Boolean()),
  resume_vm: Type.Optional(Type.Boolean()),
  network_overrides: Type.Optional(Type.Array(NetworkOverride)),
});

const InstanceInfo = Type.Object({
  app_name: Type.String(),
  id: Type.String(),
  state: Type.Enum(["Not started", "Running", "Paused"]),
  vmm_version: Type.String(),
});

const ApiError = Type.Object({ fault_message: Type.Optional(Type.String()) });

/** By the names that Firecracker's description gives them. */
export const SCHEMAS = {
  TokenBucket,
  RateLimiter,
  MachineConfiguration,
  BootSource,
  Drive,
  PartialDrive,
  NetworkInterface,
  PartialNetworkInterface,
  EntropyDevice,
  InstanceActionInfo,
  Vm,
  SnapshotCreateParams,
  MemoryBackend,
  NetworkOverride,
  SnapshotLoadParams,
  InstanceInfo,
  Error: ApiError,
} as const;

export type RateLimiter = Static<typeof RateLimiter>;
export type InstanceInfo = Static<typeof InstanceInfo>;
