// What a supervisor that was killed left on the machine, found by what it is rather than by what was noted.
import { readdirSync, readFileSync } from "node:fs";
import { realpath, rm } from "node:fs/promises";
import {
  detectCgroups,
  identitiesOf,
  killAll,
  type ProcessIdentity,
  planBlock,
  probeDeviceMapper,
  processesOfUids,
  sweepBlock,
  sweepDevices,
} from "@wrenn/linux";
import { endStrayServers } from "./database/stray.ts";
import { type DataLayout, runtimeLayout } from "./layout.ts";

/**
 * Ends every process of an instance whose supervisor is gone, and gives back everything that its block took
 * from the machine. The caller holds the block's claim. Does nothing when nothing is left.
 */
export async function removeLeftovers(block: number, data: DataLayout): Promise<void> {
  await endDaemons(block, data);
  await sweepBlock({ block, cgroups: detectCgroups() });
  if (probeDeviceMapper().ok) {
    await sweepDevices({ prefix: planBlock(block).devicePrefix, dataDir: await realpath(data.dir) });
  }
  await rm(runtimeLayout(block).dir, { recursive: true, force: true });
}

/**
 * The same but for the sandboxes' machines and networks: the host agent that is started next takes over those that still
 * run, and sweeps the rest.
 */
export async function endDaemons(block: number, data: DataLayout): Promise<void> {
  const { agentSocket } = runtimeLayout(block);
  const { controlPlaneUid } = planBlock(block);
  await killAll([
    ...processesWithEnvironment(`WRENN_SOCKET=${agentSocket}`),
    ...processesOfUids({ first: controlPlaneUid, last: controlPlaneUid }),
  ]);
  await endStrayServers(data.database);
}

/**
 * Processes that were started with this entry in their environment: the host agent, and what it started and
 * that outlived it.
 */
function processesWithEnvironment(entry: string): ProcessIdentity[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number);
  return identitiesOf(pids.filter((pid) => environmentOf(pid).includes(entry)));
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // it has ended
  }
}
