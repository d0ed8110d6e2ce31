// What an earlier agent left: machines that still run are taken over, what is saved stays, the rest is given back.
import { rm } from "node:fs/promises";
import { type Release, Scope, WrennError } from "@wrenn/core";
import { blockOfVmm, planSlot, runsAs, userOf } from "@wrenn/linux";
import type { Logger } from "pino";
import { GuestClient } from "../guest/client.ts";
import { madeTops } from "../rootfs/made-tops.ts";
import type { HostContext } from "./context.ts";
import { keepTops } from "./kept-tops.ts";
import { diskPaths, machineSpec } from "./life.ts";
import { unquiesce } from "./quiesce.ts";
import { type LifeRecord, lifeDir, type SandboxRecord } from "./record.ts";
import { Sandbox } from "./sandbox.ts";

/** What becomes of a record that was found. */
export type Fate =
  /** Its machine may still run. */
  | { kind: "adopt" }
  /** It is on disk, as this record says; what it held of the machine goes. */
  | { kind: "keep"; record: SandboxRecord }
  /** Its machine is gone: its disk and its last generation are kept. */
  | { kind: "lost"; reason: string }
  /** It never came to be. */
  | { kind: "remove"; reason: string }
  /** Its record cannot be read, or its machine runs and is not this agent's: its files are left alone. */
  | { kind: "leave"; reason: string };

/** Decides from the record, whether its process is there, and whether the snapshot that it was making is. Pure. */
export function fateOf(
  record: SandboxRecord,
  { alive, published }: { alive: boolean; published: SandboxRecord["layers"] | undefined },
): Fate {
  switch (record.status) {
    case "pausing":
      // The snapshot's name is given last of all: when it is there, the pause has happened.
      if (published && record.next !== null) {
        const { next, ...rest } = record;
        return {
          kind: "keep",
          record: {
            ...rest,
            ...{ status: "paused", snapshot: next, own: true, next: null, layers: published, life: null },
          },
        };
      }
      return alive
        ? { kind: "adopt" }
        : { kind: "lost", reason: "its virtual machine ended while it was being paused" };
    case "running":
      return alive
        ? { kind: "adopt" }
        : { kind: "lost", reason: "its virtual machine ended while no host agent ran" };
    case "stopped":
      // A deletion that did not come to its end has nothing left to keep.
      if (record.kept.length === 0) return { kind: "remove", reason: "its deletion was interrupted" };
      return { kind: "keep", record: { ...record, next: null, life: null } };
    case "paused":
    case "error":
      return { kind: "keep", record: { ...record, next: null, life: null } };
    case "resuming": {
      // What was kept of a dead machine's disk is let go of once the new life runs.
      const status = record.kept.length > 0 ? "stopped" : "paused";
      return { kind: "keep", record: { ...record, status, next: null, life: null } };
    }
    default:
      return { kind: "remove", reason: "its start was interrupted" };
  }
}

/**
 * Whether the machine of a life runs, as the user that it has in this block: in a copy of a data directory, or after a boot of
 * the host, the process on record is somebody else's.
 */
export function isRunning(life: LifeRecord | null, block: number): boolean {
  return life?.process != null && runsAs(life.process, planSlot(block, life.slot).uid);
}

/** The other block as whose machine the process on record runs: its disk is being written, and nobody here may end it. */
function blockElsewhere({ status, life }: SandboxRecord, block: number): number | undefined {
  if (!life?.process || (status !== "running" && status !== "pausing")) return undefined;
  const uid = userOf(life.process);
  const other = uid === undefined ? undefined : blockOfVmm(uid);
  return other === block ? undefined : other;
}

/** The fate of what one record says, looking at what is really there. */
export function lookAt(
  { snapshots, block }: Pick<HostContext, "snapshots"> & { block: number },
  record: SandboxRecord,
): Fate {
  const { next } = record;
  const elsewhere = blockElsewhere(record, block);
  if (elsewhere !== undefined) {
    const reason =
      `its machine (process ${record.life?.process?.pid}) runs in block ${elsewhere} of this host, and this agent has block ` +
      `${block}: start it with WRENN_BLOCK=${elsewhere}, or end that process, whose disk the next start keeps`;
    return { kind: "leave", reason };
  }
  return fateOf(record, {
    alive: isRunning(record.life, block),
    published: next !== null && snapshots.has(next) ? snapshots.get(next).manifest.disk : undefined,
  });
}

/**
 * Takes over a machine that still runs: its process, network, disk, memory and guest. The slot has been marked as used.
 * Throws when any of it does not answer, with no file gone that has no other name.
 */
export async function adopt(
  context: HostContext,
  record: SandboxRecord,
  block: number,
  log: Logger,
): Promise<Sandbox> {
  const { life } = record;
  if (!life?.process) throw new WrennError("not_found", `sandbox ${record.id} has no machine`);
  await using scope = new Scope();
  const sandbox = new Sandbox(record);
  sandbox.record = { ...record, status: "running", next: null };
  const slot = planSlot(block, life.slot);
  const dir = lifeDir(context.dataDir, record.id, life.number);
  // It has what it has, whatever the limits are today.
  const freeCapacity = context.capacity.take(record.memoryMb);
  scope.defer("capacity", freeCapacity);
  scope.defer("slot", () => context.slots.release(slot));
  // The files of a life go with it, but not by failing to take it over before what it has written is kept.
  let mayGo = false;
  const ifItMayGo = (release: Release) => () => (mayGo ? release() : undefined);
  scope.defer(
    "directory",
    ifItMayGo(() => rm(dir, { recursive: true, force: true })),
  );
  const disk = { ...diskPaths(context, record.layers), dir, uid: slot.uid, diskMb: record.diskMb };
  const layers = await scope.take(
    "root file system",
    () => context.rootfs.adopt(disk, life.tops),
    ifItMayGo(() => context.rootfs.remove({ dir })),
  );
  scope.defer("what it has written", async () => {
    if (mayGo) return;
    await keepTops(context.rootfs, context.dataDir, record);
    mayGo = true;
  });
  const tops = await madeTops(context.rootfs, dir, life.tops);
  if (tops.length === 0) throw new WrennError("not_found", `nothing of the disk in ${dir} is there`);
  sandbox.record = { ...sandbox.record, life: { ...life, tops } };
  const machine = await scope.take(
    "machine",
    () =>
      context.vmm.adopt(
        machineSpec({ context, sandbox, slot, dir, layers, diskMb: record.diskMb }),
        life.process ?? { pid: 0, startTime: 0 },
      ),
    (taken) => taken.kill(),
  );
  const guest = await scope.take(
    "guest client",
    () => new GuestClient({ host: slot.guestAddress, token: record.token }),
    (client) => client.close(),
  );
  // Whatever the earlier agent was about to do, the machine is to run now.
  await machine.resume();
  await guest.waitUntilHealthy(AbortSignal.timeout(context.bootDeadlineMs));
  // It may have stood still, for as long as no agent ran.
  await unquiesce({ guest, machine }, log);
  // One that stays as it was says enough to the next agent.
  await sandbox.write(context.dataDir).catch((err: unknown) => {
    log.error({ err }, "could not record that a sandbox was taken over");
  });
  mayGo = true;
  sandbox.running = { machine, guest, slot, dir, freeCapacity, scope: scope.move() };
  return sandbox;
}

/** Gives back the directories of lives that are over; slots and processes have been swept. */
export async function clearLife(context: HostContext, record: SandboxRecord, log: Logger): Promise<void> {
  for (let number = 1; number <= record.lives; number++) {
    await rm(lifeDir(context.dataDir, record.id, number), { recursive: true, force: true });
  }
  log.debug({ sandbox_id: record.id }, "cleared what an earlier life left");
}
