// What sandboxes use, as their hosts have sampled it.
import type { Sample } from "@wrenn/rpc/hostagent";
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Caller } from "./caller.ts";

const TIMEOUT_MS = 10_000;

/** Bytes; percent of all processors. */
export interface GuestMetrics {
  at: Date;
  cpuCount: number;
  cpuUsedPct: number;
  memTotal: number;
  memUsed: number;
  memCache: number;
  diskTotal: number;
  diskUsed: number;
}

export class GuestMetricsService {
  readonly #hosts: HostDirectory;

  constructor({ hosts }: { hosts: HostDirectory }) {
    this.#hosts = hosts;
  }

  /**
   * Samples of a sandbox, oldest first, both ends included (milliseconds since the epoch). One of now is among them where
   * that lies within and its guest answers.
   */
  async read(
    { requestId }: Caller,
    row: SandboxRow,
    { from, to }: { from: number; to: number | undefined },
  ): Promise<GuestMetrics[]> {
    const { samples } = await this.#hosts
      .get(row.host_id)
      .client.call(
        "listSamples",
        { sandboxId: row.id, fromUnixMs: BigInt(from), toUnixMs: BigInt(to ?? 0) },
        { attempted: `measuring sandbox ${row.id}`, requestId, timeoutMs: TIMEOUT_MS },
      );
    return samples.map(metricsOf);
  }
}

function metricsOf(sample: Sample): GuestMetrics {
  return {
    at: new Date(Number(sample.atUnixMs)),
    cpuCount: sample.cpus,
    cpuUsedPct: sample.cpuUsedPct,
    memTotal: Number(sample.memTotal),
    memUsed: Number(sample.memUsed),
    memCache: Number(sample.memCache),
    diskTotal: Number(sample.diskTotal),
    diskUsed: Number(sample.diskUsed),
  };
}
