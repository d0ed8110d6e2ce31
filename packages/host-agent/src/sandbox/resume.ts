// Resuming: a paused sandbox goes on where it was, or boots from its disk when that is asked for.
import { WrennError } from "@wrenn/core";
import { faultPoint } from "@wrenn/linux";
import type { Snapshot } from "@wrenn/snapshot";
import type { Logger } from "pino";
import { assertFits } from "./compatible.ts";
import type { HostContext } from "./context.ts";
import { newDeadline } from "./deadline.ts";
import { explainDiskFull } from "./disk-full.ts";
import { dropKept } from "./kept-tops.ts";
import { type Beginning, beginLife } from "./life.ts";
import { endLife } from "./pause.ts";
import type { GuestImageNames, SandboxRecord } from "./record.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import { rounded, Stopwatch } from "./stopwatch.ts";

/**
 * Takes a paused sandbox to `running`: from its own last generation, or from the beginning that is given. The caller holds
 * its lock. When anything fails it is paused as before: a snapshot is only read, and a life writes to a layer of its own.
 */
export async function resumeSandbox(
  context: HostContext,
  sandbox: Sandbox,
  beginning: Beginning,
  log: Logger,
): Promise<void> {
  const before = sandbox.record;
  if (before.status !== "stopped") assertPaused(sandbox);
  const goesOnFrom = beginning.kind === "saved" ? beginning.snapshot.id : null;
  const began = performance.now();
  const watch = new Stopwatch();
  let running: Running | undefined;
  try {
    await sandbox.update(context.dataDir, { status: "resuming" });
    faultPoint("resume.begun");
    watch.lap("record");
    running = await beginLife(context, sandbox, beginning, log, watch);
    await sandbox.update(context.dataDir, {
      status: "running",
      deadline: newDeadline(sandbox.record),
      // A boot from disk has memory of its own: its next generation starts from nothing.
      snapshot: goesOnFrom,
      own: goesOnFrom !== null && goesOnFrom === before.snapshot && isOwn(context, before),
      layers: beginning.layers,
      diskMb: beginning.diskMb,
      kept: [],
    });
    sandbox.left = new AbortController();
    sandbox.running = running;
    await dropKept(context.dataDir, before).catch((err: unknown) => {
      log.error({ err }, "could not remove what was kept of a dead machine; it goes with the sandbox");
    });
    faultPoint("resume.recorded", running.machine.process);
    watch.lap("record");
    const ms = Math.round(performance.now() - began);
    log.info({ ms, phases: rounded(watch.laps), kind: beginning.kind }, "sandbox goes on");
  } catch (reason) {
    const error = await explainDiskFull(
      context.dataDir,
      reason,
      `sandbox ${sandbox.id} could not be resumed`,
    );
    if (!sandbox.running) {
      // Its machine may run, and not be on record as running.
      if (running) await endLife(context, sandbox, running, log);
      const { lives, life } = sandbox.record;
      sandbox.record = { ...before, lives, life };
      await recordStays(context, sandbox, log);
    }
    throw error;
  }
}

/** A record that stays `resuming` says the same to the next agent, which finds no machine. */
async function recordStays({ dataDir }: HostContext, sandbox: Sandbox, log: Logger): Promise<void> {
  try {
    await sandbox.write(dataDir);
  } catch (err) {
    log.error({ err }, "could not record that a sandbox was not resumed");
  }
}

/**
 * Whether the generation on record is a moment of the sandbox's own. An older agent did not write that down: a template's
 * snapshot is the first of its kind there.
 */
export function isOwn({ snapshots }: HostContext, { snapshot, own }: SandboxRecord): boolean {
  if (snapshot === null) return false;
  return own ?? snapshots.get(snapshot).manifest.generation > 1;
}

/** Throws `invalid_state` unless it is paused. Returns the id of its last generation. */
export function assertPaused({ id, record }: Sandbox): string {
  if (record.status !== "paused" || record.snapshot === null) {
    throw new WrennError("invalid_state", `sandbox ${id} is ${record.status}; resume needs a paused one`);
  }
  return record.snapshot;
}

/**
 * How a life begins from a snapshot: on the memory image that others share already, which is that of its base, with the
 * differences written in; or on that of the snapshot itself, where the VMM takes no differences. Throws
 * `snapshot_incompatible` when this host cannot continue it, and `snapshot_damaged` when it has gone or what is small of it
 * is not what was saved; its memory is read when the life begins.
 */
export async function fromSnapshot(context: HostContext, id: string): Promise<Beginning> {
  const snapshot = savedAs(context, id);
  await assertFits(context, snapshot);
  const { base, disk: layers, diskMb } = snapshot.manifest;
  const shared = context.vmm.fillsMemory ? (base ?? id) : id;
  savedAs(context, shared);
  await context.snapshots.written.assertLengths(layers);
  return { kind: "saved", snapshot, base: shared, layers, diskMb };
}

/** How a new sandbox begins from a snapshot: on the memory image of that very snapshot, which its siblings share. */
export async function cloneOf(context: HostContext, id: string): Promise<Beginning> {
  const beginning = await fromSnapshot(context, id);
  return beginning.kind === "saved" ? { ...beginning, base: id } : beginning;
}

/** How a life begins from a saved disk, leaving its memory: of the snapshot nothing but the disk has to be there. */
export function fromDiskOf(
  { layers, diskMb }: Pick<SandboxRecord, "layers" | "diskMb">,
  guest: GuestImageNames,
): Beginning {
  return { kind: "cold", guest, layers, diskMb };
}

/** What somebody has on record as saved. Not being there is damage then: throws `snapshot_damaged`. */
export function savedAs({ snapshots }: HostContext, id: string): Snapshot {
  try {
    return snapshots.get(id);
  } catch (cause) {
    if (!(cause instanceof WrennError) || cause.code !== "not_found") throw cause;
    throw new WrennError("snapshot_damaged", `snapshot ${id} is not on this host's disk any more`, { cause });
  }
}
