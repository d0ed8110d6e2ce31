// What a guest's agent says that the guest uses. The guest is not trusted: only figures that can be are taken.
import { WrennError } from "@wrenn/core";

/** Bytes; percent of all processors since the agent was last asked. */
export interface GuestMetrics {
  cpus: number;
  cpuUsedPct: number;
  memTotal: number;
  memUsed: number;
  memCache: number;
  diskTotal: number;
  diskUsed: number;
}

/** The names on the wire. */
const FIELDS: Readonly<Record<keyof GuestMetrics, string>> = {
  cpus: "cpu_count",
  cpuUsedPct: "cpu_used_pct",
  memTotal: "mem_total",
  memUsed: "mem_used",
  memCache: "mem_cache",
  diskTotal: "disk_total",
  diskUsed: "disk_used",
};

/** The largest number of each that is taken for true. */
const MOST: Readonly<Record<keyof GuestMetrics, number>> = {
  cpus: 1024,
  cpuUsedPct: 100,
  memTotal: 2 ** 50,
  memUsed: 2 ** 50,
  memCache: 2 ** 50,
  diskTotal: 2 ** 60,
  diskUsed: 2 ** 60,
};

/** Throws `guest_unreachable` for anything but the figures. */
export function parseMetrics(text: string): GuestMetrics {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const given = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const read = (name: keyof GuestMetrics): number => {
    const value = given[FIELDS[name]];
    if (typeof value !== "number" || !(value >= 0)) {
      throw new WrennError("guest_unreachable", `the guest's agent did not tell its ${FIELDS[name]}`);
    }
    const bounded = Math.min(value, MOST[name]);
    return name === "cpuUsedPct" ? bounded : Math.floor(bounded);
  };
  return {
    cpus: read("cpus"),
    cpuUsedPct: read("cpuUsedPct"),
    memTotal: read("memTotal"),
    memUsed: read("memUsed"),
    memCache: read("memCache"),
    diskTotal: read("diskTotal"),
    diskUsed: read("diskUsed"),
  };
}
