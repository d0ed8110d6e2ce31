// GET /metrics: what the guest uses.
import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";

const MIB = 1024 * 1024;

export interface CpuTimes {
  total: number;
  idle: number;
}

/** Field names are the protocol's. Bytes, percent of all CPUs, unix seconds. */
export interface Metrics {
  ts: number;
  cpu_count: number;
  cpu_used_pct: number;
  mem_total: number;
  mem_used: number;
  mem_cache: number;
  mem_total_mib: number;
  mem_used_mib: number;
  disk_used: number;
  disk_total: number;
}

/** Measures CPU use between one reading and the next (the first: since boot). */
export class MetricsReader {
  #last: CpuTimes = { total: 0, idle: 0 };

  read(): Metrics {
    const cpu = parseCpuTimes(readFileSync("/proc/stat", "utf8"));
    const memory = parseMemory(readFileSync("/proc/meminfo", "utf8"));
    const disk = statfsSync("/");
    const used = cpuUsedPercent(this.#last, cpu);
    this.#last = cpu;
    return {
      ts: Math.floor(Date.now() / 1000),
      cpu_count: availableParallelism(),
      cpu_used_pct: used,
      mem_total: memory.total,
      mem_used: memory.used,
      mem_cache: memory.cache,
      mem_total_mib: Math.floor(memory.total / MIB),
      mem_used_mib: Math.floor(memory.used / MIB),
      disk_used: (disk.blocks - disk.bfree) * disk.bsize,
      disk_total: disk.blocks * disk.bsize,
    };
  }
}

/** The first line of /proc/stat (proc(5)), in ticks; waiting for the disk counts as idle. */
export function parseCpuTimes(stat: string): CpuTimes {
  const ticks = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "").split(" ").slice(0, 8).map(Number);
  return { total: ticks.reduce((sum, n) => sum + n, 0), idle: (ticks[3] ?? 0) + (ticks[4] ?? 0) };
}

/** Share of the time between two readings in which the CPUs were busy; 0 when no time has passed. */
export function cpuUsedPercent(before: CpuTimes, after: CpuTimes): number {
  const total = after.total - before.total;
  if (total <= 0) return 0;
  return Math.round((10000 * (total - (after.idle - before.idle))) / total) / 100;
}

/** /proc/meminfo, in bytes. Used is what could not be had by a program that asked for it. */
export function parseMemory(meminfo: string): { total: number; used: number; cache: number } {
  const kib = (name: string) =>
    1024 * Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0);
  return { total: kib("MemTotal"), used: kib("MemTotal") - kib("MemAvailable"), cache: kib("Cached") };
}
