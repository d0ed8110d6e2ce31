// What the machine has to give: a runtime, room on disk, memory, a port.
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, freemem, totalmem } from "node:os";
import { dirname } from "node:path";
import { GIB } from "@wrenn/core";
import type { ProbeResult } from "@wrenn/linux";
import { runningInstance } from "../instance.ts";
import { dataLayout } from "../layout.ts";
import { formatListenAddress, type ListenAddress, reservePort } from "../listen-address.ts";

/** Below this, a template build or a few sandboxes fill the disk. */
const DISK_WANTED_BYTES = 10 * GIB;
/** The platform, and one sandbox of the default size. */
const MEMORY_WANTED_BYTES = GIB;

export function probeNode(): ProbeResult {
  const { node } = process.versions;
  const ok = Number.parseInt(node, 10) === 24;
  return {
    name: "Node",
    ok,
    required: true,
    detail: node,
    ...(!ok && { remedy: "run ./wrenn, which brings the right one" }),
  };
}

export async function probeDisk(dataDir: string): Promise<ProbeResult> {
  const { bavail, bsize } = await statfs(existingParent(dataDir));
  const free = bavail * bsize;
  const ok = free >= DISK_WANTED_BYTES;
  return {
    name: `room under ${dataDir}`,
    ok,
    required: false,
    detail: `${(free / GIB).toFixed(1)} GiB free`,
    ...(!ok && { remedy: `${DISK_WANTED_BYTES / GIB} GiB or more: another --data-dir, or a larger disk` }),
  };
}

export function probeMemory(): ProbeResult {
  const ok = freemem() >= MEMORY_WANTED_BYTES;
  return {
    name: "processors and memory",
    ok,
    required: false,
    detail: `${availableParallelism()} processors, ${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB free`,
    ...(!ok && { remedy: "a sandbox of the default size and the platform take about 1 GiB" }),
  };
}

export async function probePort(listen: ListenAddress, dataDir: string): Promise<ProbeResult> {
  const name = `address ${formatListenAddress(listen)}`;
  const running = await runningInstance(dataLayout(dataDir).instance);
  if (running) return { name, ok: true, required: false, detail: `an instance runs at ${running.url}` };
  try {
    await reservePort(listen);
    return { name, ok: true, required: false, detail: "free" };
  } catch (error) {
    return {
      name,
      ok: false,
      required: false,
      detail: (error as Error).message,
      remedy: "up --listen HOST:PORT takes another, and port 0 any free one",
    };
  }
}

/** The path, or the nearest directory above it that is there. */
export function existingParent(path: string): string {
  return existsSync(path) ? path : existingParent(dirname(path));
}
