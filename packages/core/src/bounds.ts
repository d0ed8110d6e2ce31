// Every input has a bound; these are the defaults, each may be changed in the configuration.

export const MIB: number = 1024 * 1024;
export const GIB: number = 1024 * MIB;

/** Inclusive limits of what a caller may ask for. Units are in the names. */
export const BOUNDS = {
  vcpus: { min: 1, max: 8, default: 1 },
  memory_mb: { min: 128, max: 8192, default: 512 },
  disk_mb: { min: 1024, max: 65536, default: 10240 },
  /** 0 = no time-out. */
  timeout_sec: { min: 0, max: 86400, default: 300 },
  exec_timeout_sec: { min: 1, max: 86400, default: 30 },
  fork_count: { min: 1, max: 64, default: 1 },
} as const;

export const LIMITS = {
  metadataBytes: 4096,
  jsonBodyBytes: MIB,
  filesWriteBytes: 100 * MIB,
  /** Captured output of one non-streaming exec, per stream. */
  captureBytes: 10 * MIB,
  /** Guest paths; PATH_MAX of Linux. */
  pathBytes: 4096,
  /** Entries of `args`. */
  args: 1024,
  /** Entries of `envs`. */
  envs: 256,
  listLimit: 100,
} as const;
