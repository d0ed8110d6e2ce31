// The host agent's settings, read once from the environment.
import { availableParallelism, totalmem } from "node:os";
import { isAbsolute } from "node:path";
import { MIB, WrennError } from "@wrenn/core";
import { type ImageSources, parseRegistries } from "@wrenn/template";
import { findFirecracker, namedFirecracker, type Rate, type Rates } from "@wrenn/vmm";
import type { MemorySetting } from "./memory/choose-memory.ts";

export interface Config {
  /** Private to root; sandboxes, templates and reports live below it. */
  dataDir: string;
  /** Built images, shared by all instances of the machine. */
  cacheDir: string;
  /** Number of this instance on the machine; all that it takes is named after it. */
  block: number;
  /** Shared by all instances of the machine, emptied at each boot. */
  runDir: string;
  /** Unix socket of the RPC. */
  socket: string;
  /** User that may connect to it: the control plane's. */
  socketOwner: number;
  /** Upstream resolver of the guests, the one exception to their firewall; none when undefined. */
  dns: string | undefined;
  maxSandboxes: number;
  /** Memory for all sandboxes together, `MiB`. */
  memoryMb: number;
  /** Network slots kept ready. */
  preparedSlots: number;
  concurrentBoots: number;
  /** Starts from saved memory at one time. */
  concurrentLoads: number;
  /** Memory images of snapshots that stay in memory while nobody uses them, `MiB`. */
  idleImagesMb: number;
  /** How disks are kept; `auto`: as device-mapper snapshots where that works, else as qcow2 files. */
  rootfs: "auto" | "qcow2" | "dm";
  /** What runs the guests; `auto`: Firecracker where `FIRECRACKER_BIN` names one that works, else QEMU. */
  vmm: "auto" | "qemu" | "firecracker";
  /** Path of a Firecracker: `FIRECRACKER_BIN`, and where that one is asked for, one in the usual places. */
  firecracker: string | undefined;
  /** What each sandbox may use of the host's disks and network. */
  rates: Rates;
  /** How machines that continue from a snapshot get their memory; see `chooseMemory`. */
  memory: MemorySetting;
  /** What becomes of running sandboxes when the agent is told to end. */
  onStop: "pause" | "destroy";
  bootDeadlineMs: number;
  /** How long the guest that proves KVM may take to its first process, `ms`; the proof's own default when undefined. */
  proofDeadlineMs: number | undefined;
  /** A file with the description of ready-made guest parts ({@link readGuestFile}); made here when undefined. */
  guestFile: string | undefined;
  /** How often idle sandboxes are looked for, `ms`. */
  reapIntervalMs: number;
  /** How often sandboxes that do something are measured, `ms`. */
  sampleIntervalMs: number;
  /** Where images come from that templates may begin with. */
  images: ImageSources;
  logLevel: string;
  tls: { host: string; port: number; certFile: string; keyFile: string; caFile: string } | undefined;
}

/** Reads and checks the settings. Throws `invalid_argument` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const block = integer(env, "WRENN_BLOCK", { min: 0, max: 255 });
  const tlsListen = env["WRENN_TLS_LISTEN"];
  return {
    dataDir: required(env, "WRENN_DATA_DIR"),
    cacheDir: env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
    block,
    runDir: env["WRENN_RUN_DIR"] ?? "/run/wrenn",
    socket: required(env, "WRENN_SOCKET"),
    socketOwner: integer(env, "WRENN_SOCKET_OWNER", { min: 0, max: 2 ** 31, fallback: 0 }),
    dns: env["WRENN_DNS"] || undefined,
    maxSandboxes: integer(env, "WRENN_MAX_SANDBOXES", { min: 1, max: 254, fallback: 254 }),
    memoryMb: integer(env, "WRENN_MEMORY_MB", {
      min: 256,
      max: 2 ** 24,
      fallback: Math.floor((totalmem() / MIB) * 0.85),
    }),
    preparedSlots: integer(env, "WRENN_PREPARED_SLOTS", { min: 0, max: 64, fallback: 8 }),
    concurrentBoots: integer(env, "WRENN_CONCURRENT_BOOTS", { min: 1, max: 64, fallback: 4 }),
    concurrentLoads: integer(env, "WRENN_CONCURRENT_LOADS", {
      min: 1,
      max: 256,
      fallback: 2 * availableParallelism(),
    }),
    idleImagesMb: integer(env, "WRENN_IDLE_IMAGES_MB", { min: 0, max: 2 ** 24, fallback: 2048 }),
    rootfs: choice(env, "WRENN_ROOTFS", ["auto", "qcow2", "dm"]),
    ...vmmSettings(env),
    rates: {
      disk: rate(env, "WRENN_DISK_BYTES_PER_SEC", "WRENN_DISK_OPS_PER_SEC"),
      network: rate(env, "WRENN_NET_BYTES_PER_SEC", "WRENN_NET_PACKETS_PER_SEC"),
    },
    memory: choice(env, "WRENN_MEMORY", ["auto", "shared", "lazy"]),
    onStop: choice(env, "WRENN_ON_STOP", ["pause", "destroy"]),
    bootDeadlineMs: integer(env, "WRENN_BOOT_DEADLINE_MS", { min: 1000, max: 600_000, fallback: 60_000 }),
    proofDeadlineMs:
      env["WRENN_PROOF_DEADLINE_MS"] === undefined
        ? undefined
        : integer(env, "WRENN_PROOF_DEADLINE_MS", { min: 1000, max: 600_000 }),
    guestFile: env["WRENN_GUEST_FILE"] || undefined,
    reapIntervalMs: integer(env, "WRENN_REAP_INTERVAL_MS", { min: 10, max: 60_000, fallback: 1000 }),
    sampleIntervalMs: integer(env, "WRENN_SAMPLE_INTERVAL_MS", {
      min: 100,
      max: 3_600_000,
      fallback: 10_000,
    }),
    images: imageSources(env),
    logLevel: env["WRENN_LOG_LEVEL"] ?? "info",
    tls: tlsListen === undefined ? undefined : { ...hostPort(tlsListen), ...tlsFiles(env) },
  };
}

function vmmSettings(env: NodeJS.ProcessEnv): Pick<Config, "vmm" | "firecracker"> {
  const vmm = choice(env, "WRENN_VMM", ["auto", "qemu", "firecracker"]);
  return {
    vmm,
    firecracker: vmm === "firecracker" ? findFirecracker(env) : namedFirecracker(env),
  };
}

/** Undefined when neither is set. */
function rate(env: NodeJS.ProcessEnv, bytes: string, operations: string): Rate | undefined {
  const perSec = (name: string) => (env[name] ? integer(env, name, { min: 1, max: 1e12 }) : undefined);
  const found = { bytesPerSec: perSec(bytes), opsPerSec: perSec(operations) };
  return found.bytesPerSec === undefined && found.opsPerSec === undefined ? undefined : found;
}

function imageSources(env: NodeJS.ProcessEnv): ImageSources {
  const layoutDir = env["WRENN_IMAGE_DIR"] || undefined;
  if (layoutDir !== undefined && !isAbsolute(layoutDir))
    throw new WrennError("invalid_argument", "WRENN_IMAGE_DIR must be an absolute path");
  try {
    return { layoutDir, registries: parseRegistries(env["WRENN_REGISTRIES"] ?? "") };
  } catch (cause) {
    throw new WrennError("invalid_argument", `WRENN_REGISTRIES: ${(cause as Error).message}`, { cause });
  }
}

function tlsFiles(env: NodeJS.ProcessEnv) {
  return {
    certFile: required(env, "WRENN_TLS_CERT"),
    keyFile: required(env, "WRENN_TLS_KEY"),
    caFile: required(env, "WRENN_TLS_CA"),
  };
}

function hostPort(value: string): { host: string; port: number } {
  const at = value.lastIndexOf(":");
  const port = Number(value.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new WrennError("invalid_argument", `WRENN_TLS_LISTEN must be HOST:PORT, not "${value}"`);
  }
  return { host: value.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new WrennError("invalid_argument", `${name} is not set`);
  return value;
}

/** One of the values; the first when it is not set. */
function choice<T extends string>(env: NodeJS.ProcessEnv, name: string, values: readonly [T, ...T[]]): T {
  const text = env[name];
  if (!text) return values[0];
  const value = values.find((candidate) => candidate === text);
  if (value) return value;
  throw new WrennError("invalid_argument", `${name} must be one of: ${values.join(", ")}`);
}

function integer(
  env: NodeJS.ProcessEnv,
  name: string,
  bounds: { min: number; max: number; fallback?: number },
): number {
  const text = env[name];
  if (text === undefined && bounds.fallback !== undefined) return bounds.fallback;
  const value = Number(text);
  if (
    text === undefined ||
    text.trim() === "" ||
    !Number.isInteger(value) ||
    value < bounds.min ||
    value > bounds.max
  ) {
    throw new WrennError(
      "invalid_argument",
      `${name} must be a whole number from ${bounds.min} to ${bounds.max}`,
    );
  }
  return value;
}
