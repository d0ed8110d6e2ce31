// Limits of a control group, and the files of each version that set them. Pure.

export interface CgroupLimits {
  /** Bytes of memory, page cache included; no swap beyond it. */
  memoryBytes?: number | undefined;
  /** Processors' worth of time, for instance 1.25. */
  cpus?: number | undefined;
  /** Processes and threads. */
  pids?: number | undefined;
}

export type Controller = "memory" | "cpu" | "pids";

export interface ControlFile {
  controller: Controller;
  name: string;
  value: string;
  /** The kernel may be built without it (swap accounting). */
  optional?: true;
}

/** The kernel's default period for bandwidth control. */
const CPU_PERIOD_US = 100_000;

/** Documentation/admin-guide/cgroup-v1 of the kernel. */
export function v1Files({ memoryBytes, cpus, pids }: CgroupLimits): ControlFile[] {
  const files: ControlFile[] = [];
  if (memoryBytes !== undefined) {
    const value = String(memoryBytes);
    files.push({ controller: "memory", name: "memory.limit_in_bytes", value });
    files.push({ controller: "memory", name: "memory.memsw.limit_in_bytes", value, optional: true });
  }
  if (cpus !== undefined) {
    files.push({ controller: "cpu", name: "cpu.cfs_period_us", value: String(CPU_PERIOD_US) });
    files.push({ controller: "cpu", name: "cpu.cfs_quota_us", value: String(cpuQuota(cpus)) });
  }
  if (pids !== undefined) files.push({ controller: "pids", name: "pids.max", value: String(pids) });
  return files;
}

/** Documentation/admin-guide/cgroup-v2.rst of the kernel. */
export function v2Files({ memoryBytes, cpus, pids }: CgroupLimits): ControlFile[] {
  const files: ControlFile[] = [];
  if (memoryBytes !== undefined) {
    files.push({ controller: "memory", name: "memory.max", value: String(memoryBytes) });
    files.push({ controller: "memory", name: "memory.swap.max", value: "0", optional: true });
    files.push({ controller: "memory", name: "memory.oom.group", value: "1" });
  }
  if (cpus !== undefined) {
    files.push({ controller: "cpu", name: "cpu.max", value: `${cpuQuota(cpus)} ${CPU_PERIOD_US}` });
  }
  if (pids !== undefined) files.push({ controller: "pids", name: "pids.max", value: String(pids) });
  return files;
}

function cpuQuota(cpus: number): number {
  return Math.round(cpus * CPU_PERIOD_US);
}
