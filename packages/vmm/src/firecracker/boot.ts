// The calls that make a machine: pure functions of what it is.
import { WrennError } from "@wrenn/core";
import type { Disk, DiskLayer, MachineSpec } from "../vmm.ts";
import type { ApiRequest } from "./api/operations.ts";
import type { RateLimiter } from "./api/schemas.ts";
import { diskPath, IMAGE_PATH, INSIDE, NETWORK_ID, STATE_PATH } from "./layout.ts";

/**
 * Devices as far as {@link bootRequests} fixes them. A saved state fits no other: whoever changes what a guest sees counts
 * this up.
 */
export const DEVICE_SET = "firecracker 1";

/** Bounds of what each machine may use of the host's disks and network; undefined = none. */
export interface Rates {
  disk?: Rate | undefined;
  /** Each direction by itself. */
  network?: Rate | undefined;
}

export interface Rate {
  bytesPerSec?: number | undefined;
  opsPerSec?: number | undefined;
}

export interface BootOptions {
  rates: Rates;
  trackDirtyPages: boolean;
}

/**
 * - `reboot=k`: a reset goes by way of the keyboard controller, the one that Firecracker has and takes for the end.
 * - `i8042.*`: the kernel does not look for the rest of that controller, which takes a tenth of a second.
 */
const KERNEL_PARAMETERS = ["reboot=k", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd"];

/** Tokens for 100 ms at a time: short enough that a guest does not stall for long, long enough for a burst. */
const REFILL_MS = 100;

/** All calls up to the start of the guest, in their order. Throws `invalid_argument` for disks that Firecracker has not. */
export function bootRequests(spec: MachineSpec, { rates, trackDirtyPages }: BootOptions): ApiRequest[] {
  const disk = limiter(rates.disk);
  const network = limiter(rates.network);
  return [
    {
      operation: "machine",
      body: {
        vcpu_count: spec.vcpus,
        mem_size_mib: spec.memoryMb,
        smt: false,
        track_dirty_pages: trackDirtyPages,
      },
    },
    {
      operation: "bootSource",
      body: {
        kernel_image_path: INSIDE.kernel,
        initrd_path: INSIDE.initramfs,
        boot_args: [spec.commandLine, ...KERNEL_PARAMETERS].join(" "),
      },
    },
    ...spec.disks.map((each): ApiRequest => {
      onlyLayer(each);
      return {
        operation: "drive",
        id: each.id,
        body: {
          drive_id: each.id,
          // The initramfs mounts it.
          is_root_device: false,
          path_on_host: diskPath(each),
          is_read_only: each.readOnly,
          cache_type: "Writeback",
          io_engine: "Sync",
          ...(disk && { rate_limiter: disk }),
        },
      };
    }),
    ...(spec.net
      ? [
          {
            operation: "network",
            id: NETWORK_ID,
            body: {
              iface_id: NETWORK_ID,
              host_dev_name: spec.net.tap,
              guest_mac: spec.net.guestMac,
              ...(network && { rx_rate_limiter: network, tx_rate_limiter: network }),
            },
          } as const,
        ]
      : []),
    { operation: "entropy", body: {} },
    { operation: "action", body: { action_type: "InstanceStart" } },
  ];
}

/** Loads a saved state; the machine stands still afterwards. */
export function loadRequest(
  { net, memory }: Pick<MachineSpec, "net" | "memory">,
  { trackDirtyPages }: Pick<BootOptions, "trackDirtyPages">,
): ApiRequest {
  if (memory?.kind !== "image" && memory?.kind !== "lazy") {
    throw new WrennError("invalid_argument", "a saved state is loaded together with its memory");
  }
  return {
    operation: "loadSnapshot",
    body: {
      snapshot_path: STATE_PATH,
      mem_backend:
        memory.kind === "image"
          ? { backend_type: "File", backend_path: IMAGE_PATH }
          : { backend_type: "Uffd", backend_path: INSIDE.pages },
      track_dirty_pages: trackDirtyPages,
      resume_vm: false,
      ...(net && { network_overrides: [{ iface_id: NETWORK_ID, host_dev_name: net.tap }] }),
    },
  };
}

/** The calls that make a loaded machine's rates those of this host; the saved state has those of the host that saved it. */
export function rateRequests({ disks, net }: Pick<MachineSpec, "disks" | "net">, rates: Rates): ApiRequest[] {
  const disk = limiter(rates.disk) ?? UNLIMITED;
  const network = limiter(rates.network) ?? UNLIMITED;
  return [
    ...disks.map(({ id }): ApiRequest => {
      return { operation: "updateDrive", id, body: { drive_id: id, rate_limiter: disk } };
    }),
    ...(net
      ? [
          {
            operation: "updateNetwork",
            id: NETWORK_ID,
            body: { iface_id: NETWORK_ID, rx_rate_limiter: network, tx_rate_limiter: network },
          } as const,
        ]
      : []),
  ];
}

/** The one file or device of a disk. Throws `invalid_argument`: Firecracker knows neither layers nor formats. */
export function onlyLayer(disk: Disk): DiskLayer {
  const [layer, ...others] = disk.layers;
  if (layer && others.length === 0 && layer.format !== "qcow2") return layer;
  throw new WrennError(
    "invalid_argument",
    `Firecracker takes disk ${disk.id} as one raw file or device; keep disks with the device mapper (WRENN_ROOTFS=dm)`,
  );
}

/** A bucket of no tokens and no time is none (Firecracker, src/vmm/src/rate_limiter). */
const NO_BUCKET = { size: 0, refill_time: 0 };
const UNLIMITED: RateLimiter = { bandwidth: NO_BUCKET, ops: NO_BUCKET };

function limiter(rate: Rate | undefined): RateLimiter | undefined {
  if (rate?.bytesPerSec === undefined && rate?.opsPerSec === undefined) return undefined;
  return {
    bandwidth: rate.bytesPerSec === undefined ? NO_BUCKET : bucket(rate.bytesPerSec),
    ops: rate.opsPerSec === undefined ? NO_BUCKET : bucket(rate.opsPerSec),
  };
}

/** A low rate that is no whole number of tokens in that time gets a second at a time: rounded it would be another rate. */
function bucket(perSec: number): { size: number; refill_time: number } {
  if (perSec % (1000 / REFILL_MS) !== 0 && perSec < 1000) return { size: perSec, refill_time: 1000 };
  return { size: Math.max(1, Math.round((perSec * REFILL_MS) / 1000)), refill_time: REFILL_MS };
}
