// Memory: what the idle platform costs, and what its processes grow by while a gibibyte passes through.
import { readdirSync, readFileSync } from "node:fs";
import type { WrennClient } from "@wrenn/sdk";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { bytesSource, type Target } from "./target.ts";

const MIB = 1024 * 1024;

export interface PlatformProcess {
  pid: number;
  name: string;
}

/** Proportional set size of the platform's processes together, `MiB` (shared pages count by their share). */
export function benchIdleMemory(processes: readonly PlatformProcess[]): Result {
  const total = processes.reduce((sum, { pid }) => sum + proportionalSetSize(pid), 0);
  return {
    name: `memory of the idle platform (${processes.length} processes)`,
    unit: "MiB",
    platform: figure([total]),
    promises: [{ number: "P8", of: "median", bound: { max: 300 } }],
  };
}

/**
 * Growth of each of the platform's processes while `mib` MiB are written and read through the API, `MiB`; the largest
 * counts. A process that ends meanwhile (a database connection that was idle) counts with what it had grown by.
 */
export async function benchTransferMemory(
  target: Target,
  client: WrennClient,
  processes: readonly PlatformProcess[],
  mib: number,
): Promise<Result> {
  const before = new Map(processes.map(({ pid }) => [pid, anonymousMemory(pid)]));
  const growth = new Map(processes.map(({ pid }) => [pid, 0]));
  const sample = () => {
    for (const { pid } of processes) {
      const [then, now] = [before.get(pid), anonymousMemory(pid)];
      if (then !== undefined && now !== undefined)
        growth.set(pid, Math.max(growth.get(pid) ?? 0, now - then));
    }
  };
  const timer = setInterval(sample, 100);
  try {
    await client.files.write(target.sandboxId, "/home/user/gib", bytesSource(mib * MIB));
    for await (const _ of await client.files.readStream(target.sandboxId, "/home/user/gib"));
  } finally {
    clearInterval(timer);
  }
  sample();
  return {
    name: `growth of the largest-growing process over ${mib} MiB in and out`,
    unit: "MiB",
    platform: figure([Math.max(...growth.values())]),
    promises: [{ number: "P6", of: "median", bound: { max: 32 } }],
  };
}

/**
 * The processes of an instance, virtual machines left out: its supervisor, those whose environment or arguments name its
 * directories, and their children.
 */
export function platformProcesses(
  dataDir: string,
  instance: { pid: number; block: number },
): PlatformProcess[] {
  const runtime = `/run/wrenn/${instance.block}`;
  const found = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const own = `${readFileSync(`/proc/${name}/cmdline`, "utf8")}\0${readFileSync(`/proc/${name}/environ`, "utf8")}`;
        const named = own.includes(dataDir) || own.includes(runtime);
        if (!named && Number(name) !== instance.pid) return [];
        return [{ pid: Number(name), name: readFileSync(`/proc/${name}/comm`, "utf8").trim() }];
      } catch {
        return [];
      }
    });
  const roots = new Set(found.map(({ pid }) => pid));
  // PostgreSQL's own children overwrite their environment: they are recognised by their parent.
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && !roots.has(Number(name)))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return roots.has(parent)
          ? [{ pid: Number(name), name: readFileSync(`/proc/${name}/comm`, "utf8").trim() }]
          : [];
      } catch {
        return [];
      }
    });
  return [...found, ...children].filter(
    ({ pid, name }) => !/^(qemu|bwrap|prlimit)/.test(name) && pid !== process.ppid,
  );
}

/** `MiB`: shared pages count by their share. */
export function proportionalSetSize(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, "Pss") / 1024;
}

/** Undefined when the process has ended. */
function anonymousMemory(pid: number): number | undefined {
  try {
    return kilobytes(`/proc/${pid}/status`, "RssAnon") / 1024;
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw reason;
  }
}

function kilobytes(path: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(path, "utf8"))?.[1];
  if (value === undefined) throw new Error(`${path} has no ${field}`);
  return Number(value);
}
