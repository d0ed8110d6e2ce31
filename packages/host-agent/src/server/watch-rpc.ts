// The methods of hostagent.v1 that tell what goes on in a sandbox: its console, and what it has used.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { HostAgentService } from "@wrenn/rpc/hostagent";
import type { Methods } from "@wrenn/rpc/unary";
import { readConsoleTail } from "@wrenn/vmm";
import type { ServiceContext } from "./rpc.ts";

/** The end of a console that is told, `bytes`. */
const CONSOLE_BYTES = 256 * 1024;

type WatchMethods = Pick<Methods<typeof HostAgentService>, "getConsole" | "listSamples">;

/** Neither counts as a use of the sandbox. */
export function watchMethods({ manager, samples }: ServiceContext): WatchMethods {
  return {
    async getConsole({ sandboxId }) {
      const { running } = manager.get(sandboxId);
      if (!running) return { text: "", beganAtUnixMs: 0n };
      const text = await readConsoleTail(join(running.dir, "console.log"), CONSOLE_BYTES);
      const { birthtimeMs } = await stat(running.dir);
      return { text, beganAtUnixMs: BigInt(Math.floor(birthtimeMs)) };
    },
    async listSamples({ sandboxId, fromUnixMs, toUnixMs }) {
      const sandbox = manager.get(sandboxId);
      const to = toUnixMs === 0n ? Number.POSITIVE_INFINITY : Number(toUnixMs);
      if (to >= Date.now()) await samples.refresh(sandbox);
      return {
        samples: samples.between(sandboxId, Number(fromUnixMs), to).map((sample) => ({
          atUnixMs: BigInt(sample.at),
          cpus: sample.cpus,
          cpuUsedPct: sample.cpuUsedPct,
          memTotal: BigInt(sample.memTotal),
          memUsed: BigInt(sample.memUsed),
          memCache: BigInt(sample.memCache),
          diskTotal: BigInt(sample.diskTotal),
          diskUsed: BigInt(sample.diskUsed),
        })),
      };
    },
  };
}
