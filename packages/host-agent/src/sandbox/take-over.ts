// A new agent's first look: what an earlier one left, and what becomes of each of it.
import { isDeepStrictEqual } from "node:util";
import { WrennError } from "@wrenn/core";
import {
  type Cgroups,
  kill,
  planSlot,
  removeDeviceNodes,
  removeUnfinished,
  type Spared,
  waitForExit,
} from "@wrenn/linux";
import type { SnapshotStore } from "@wrenn/snapshot";
import type { Logger } from "pino";
import type { HostContext } from "./context.ts";
import { dropUnnamedKept, keepTops } from "./kept-tops.ts";
import type { SandboxManager } from "./manager.ts";
import { lifeGroup, readRecords, removeSandboxDir, type SandboxRecord, sandboxDir } from "./record.ts";
import { adopt, clearLife, type Fate, isRunning, lookAt } from "./recover.ts";
import type { ReportLog } from "./reports.ts";
import { Sandbox } from "./sandbox.ts";

export interface Earlier {
  found: { id: string; record: SandboxRecord | undefined; fate: Fate }[];
  /** What the sweep leaves alone. */
  spared: Spared;
}

/** Reads all records and decides the fate of each. Takes nothing and changes nothing. */
export async function findEarlier(context: {
  dataDir: string;
  snapshots: SnapshotStore;
  block: number;
}): Promise<Earlier> {
  const found = (await readRecords(context.dataDir)).map(({ id, record, unreadable }) => ({
    id,
    record,
    fate: record ? lookAt(context, record) : withoutRecord(unreadable),
  }));
  const adopted = found.flatMap(({ fate, record }) =>
    fate.kind === "adopt" && record?.life ? [{ record, life: record.life }] : [],
  );
  return {
    found,
    spared: {
      slots: new Set(adopted.map(({ life }) => life.slot)),
      cgroups: new Set(adopted.map(({ record, life }) => lifeGroup(record.id, life.number))),
    },
  };
}

export interface TakeOver {
  context: HostContext;
  cgroups: Cgroups;
  manager: SandboxManager;
  reports: ReportLog;
  earlier: Earlier;
  block: number;
  log: Logger;
}

/**
 * Carries the fates out. What cannot be taken over after all is given back and reported as stopped. A disk that takes no
 * writes ends nothing: what cannot be recorded is found once more by the next agent.
 */
export async function takeOver(parts: TakeOver): Promise<void> {
  await Promise.all(
    parts.earlier.found.map(async ({ id, record, fate }) => {
      const log = parts.log.child({ sandbox_id: id });
      try {
        await carryOut(parts, { id, record, fate }, log);
      } catch (err) {
        log.error(
          { err },
          "could not bring to its end what an earlier agent left; the next start tries again",
        );
        if (record) parts.manager.takeIn(untouched(record, err));
      }
    }),
  );
}

async function carryOut(
  { context, cgroups, manager, reports, block }: TakeOver,
  { id, record, fate }: Earlier["found"][number],
  log: Logger,
): Promise<void> {
  // What is left alone is left as it is.
  if (record && fate.kind !== "leave") await removeUnfinished(sandboxDir(context.dataDir, id));
  if (fate.kind === "keep" && record) {
    manager.takeIn(await become(context, record, fate.record, log));
    // The control plane may still take it for running; it ignores what it knows.
    if (record.status === "pausing" || record.status === "paused") {
      await reports.add({ sandboxId: id, status: "paused", reason: "saved before the host agent ended" });
    }
    log.info({ was: record.status }, "sandbox is on disk");
    return;
  }
  if (fate.kind === "adopt" && record) {
    try {
      const sandbox = await adopt(context, record, block, log);
      manager.takeIn(sandbox);
      log.info({ was: record.status }, "took over a running sandbox");
      await dropUnnamedKept(context.dataDir, sandbox.record).catch((err: unknown) => {
        log.error({ err }, "could not remove what was kept of a dead machine; it goes with the sandbox");
      });
      return;
    } catch (err) {
      log.error({ err }, "could not take over a running sandbox");
      await endMachine(context, record, { block, cgroups });
      if (record.life) await context.slots.release(planSlot(block, record.life.slot));
    }
  }
  const reason = "reason" in fate ? fate.reason : "its virtual machine did not answer the new host agent";
  // First: told twice is better than a record that says so and nobody who hears why.
  await reports.add({ sandboxId: id, status: "stopped", reason });
  if (fate.kind === "leave") {
    log.error(
      { reason, dir: sandboxDir(context.dataDir, id) },
      "left a sandbox alone: see to the reason, or move its directory away",
    );
    return;
  }
  if (fate.kind === "remove" || !record) {
    await removeSandboxDir(context.dataDir, id);
    log.info({ was: record?.status, reason }, "removed a sandbox of an earlier run");
    return;
  }
  const kept = await keepTops(context.rootfs, context.dataDir, record);
  const left: SandboxRecord = { ...record, status: "stopped", next: null, kept, life: null };
  manager.takeIn(await become(context, record, left, log));
  log.warn({ was: record.status, reason }, "a sandbox lost its machine; its disk is kept");
}

/** The sandbox whose record was found, as it is now; what its earlier lives left goes. */
async function become(
  context: HostContext,
  found: SandboxRecord,
  now: SandboxRecord,
  log: Logger,
): Promise<Sandbox> {
  const sandbox = new Sandbox(found);
  sandbox.record = now;
  try {
    if (!isDeepStrictEqual(found, now)) await sandbox.write(context.dataDir);
    await dropUnnamedKept(context.dataDir, now);
    await clearLife(context, now, log);
  } catch (err) {
    log.error({ err }, "could not record what became of a sandbox; the next start does");
  }
  return sandbox;
}

/** One about which nothing could be done: it can be deleted, and what its record names stays until the next start. */
function untouched(record: SandboxRecord, reason: unknown): Sandbox {
  const sandbox = new Sandbox(record);
  sandbox.record = { ...record, status: "error" };
  sandbox.failure = `what the last host agent left could not be brought to its end: ${WrennError.from(reason).message}`;
  return sandbox;
}

function withoutRecord(unreadable: string | undefined): Fate {
  return unreadable === undefined
    ? { kind: "remove", reason: "it has no record" }
    : { kind: "leave", reason: `its record cannot be read: ${unreadable}` };
}

/**
 * A machine that runs and does not answer must not write to a disk that is about to be somebody else's. What was spared for
 * it goes as well; its network goes with its slot, its control socket with the directory of its sandbox.
 */
async function endMachine(
  context: HostContext,
  { id, life }: SandboxRecord,
  { block, cgroups }: Pick<TakeOver, "block" | "cgroups">,
): Promise<void> {
  if (!life?.process) return;
  if (isRunning(life, block)) {
    kill(life.process, "SIGKILL");
    await waitForExit(life.process, 10_000);
  }
  const group = cgroups.open(`${context.cgroup}/${lifeGroup(id, life.number)}`);
  await group.kill();
  await group.remove();
  removeDeviceNodes(planSlot(block, life.slot).uid);
}
