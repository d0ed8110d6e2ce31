// Freezing a running sandbox into a snapshot: memory, devices and disk of one point in time.
import { link, rm } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { faultPoint, kill, waitForExit } from "@wrenn/linux";
import type { Draft, SnapshotFacts, StoredPages } from "@wrenn/snapshot";
import type { Machine } from "@wrenn/vmm";
import type { Logger } from "pino";
import { madeTops } from "../rootfs/made-tops.ts";
import { NotFrozen } from "../rootfs/rootfs-store.ts";
import { guestTsc } from "./compatible.ts";
import type { HostContext } from "./context.ts";
import type { SandboxRecord } from "./record.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import { Stopwatch } from "./stopwatch.ts";

/** How long the end of a machine's process is waited for; it is waited for once more where its life ends. */
const END_TIMEOUT_MS = 10_000;

export interface CaptureOptions {
  /** Names its fault points and the phases in the log. */
  operation: "pause" | "fork" | "snapshot";
  /** Whether the machine goes on as soon as it may, or ends: its process and memory are gone when this returns. */
  goesOn: boolean;
  draft: Draft;
  log: Logger;
}

export interface Captured {
  /** What each phase took, `ms`. */
  phases: Record<string, number>;
  /** How long the machine stood still, `ms`; when it does not go on, until all but the flush to disk was done. */
  stoodStillMs: number;
  /** Pages of memory by what became of them. */
  counts: StoredPages;
}

/** A snapshot to be made of a running sandbox. It has to be disposed of, whatever becomes of it. */
export async function beginDraft(context: HostContext, { record, life }: Sandbox): Promise<Draft> {
  const { snapshot: parent, memoryMb } = record;
  return await context.snapshots.begin(
    parent !== null && life.base !== null
      ? { kind: "continued", parent, base: context.vmm.fillsMemory ? life.base : null }
      : { kind: "booted", memoryMb },
  );
}

/**
 * Captures the machine into the draft and publishes it. Afterwards the record's `snapshot` and `layers` are the new
 * generation's; a machine that goes on has a new top. Throws with the machine running as before when anything fails: the
 * tops stay the sandbox's own then, one more if its disk may have been frozen by then.
 */
export async function capture(
  context: HostContext,
  sandbox: Sandbox,
  running: Running,
  { operation, goesOn, draft, log }: CaptureOptions,
): Promise<Captured> {
  const { machine, dir, slot } = running;
  const { record } = sandbox;
  const watch = new Stopwatch();
  const place = { dir, uid: slot.uid, diskMb: record.diskMb };
  const tops = sandbox.life.tops;
  const next = goesOn ? nextTop(tops) : undefined;
  if (next !== undefined) {
    await context.rootfs.prepare(place, next);
    // Named before it is used: whichever of the two a later agent finds on top, both are frozen next time.
    await sandbox.updateLife(context.dataDir, { tops: [...tops, next] });
  }
  faultPoint("capture.prepared", machine.process);
  watch.lap("prepare");
  const stopped = performance.now();
  let stoodStillMs = 0;
  let freezing = false;
  try {
    await machine.pause();
    watch.lap("stop");
    faultPoint("capture.stopped", machine.process);
    await machine.saveDevices(draft.devicesPath);
    watch.lap("devices");
    const pages = await machine.memory.privatePages();
    const counts = await draft.storePages(machine.memory, pages, { flushAhead: !goesOn });
    watch.lap("memory");
    faultPoint("capture.memory", machine.process);
    freezing = true;
    await context.rootfs.freeze({ ...place, machine }, next);
    if (goesOn) await machine.resume();
    stoodStillMs = performance.now() - stopped;
    watch.lap("disk");
    faultPoint("capture.disk", machine.process);
    // Hard links: no byte is copied, and a failure takes nothing from the sandbox.
    for (const [index, top] of (await madeTops(context.rootfs, dir, tops)).entries())
      await link(context.rootfs.path(place, top), draft.diskPath(index));
    const { manifest } = await draft.commit(await factsOf(context, sandbox));
    watch.lap("sync");
    faultPoint("capture.committed", machine.process);
    if (goesOn) {
      await sandbox.update(context.dataDir, {
        snapshot: draft.id,
        own: true,
        layers: manifest.disk,
        life: { ...sandbox.life, tops: next === undefined ? [] : [next] },
      });
      faultPoint("capture.recorded", machine.process);
    } else {
      // The snapshot has its name: nothing brings this machine back any more.
      await Promise.all([
        recordPaused(context, sandbox, { snapshot: draft.id, layers: manifest.disk }, log),
        endProcess(machine, log),
      ]);
      watch.lap("free");
      faultPoint("capture.recorded");
    }
    return { phases: watch.laps, stoodStillMs, counts };
  } catch (cause) {
    await machine.resume().catch(() => {
      // It has died: its end is handled where machines are watched.
    });
    const isUnused = !freezing || cause instanceof NotFrozen;
    if (next !== undefined && isUnused) await takeBack(context, sandbox, { place, next }, log);
    throw WrennError.from(
      cause instanceof NotFrozen ? cause.cause : cause,
      `${operation} of sandbox ${sandbox.id} failed; it goes on running`,
    );
  }
}

/** A top that was named and that no machine writes to: without this each attempt that fails would leave one more. */
async function takeBack(
  context: HostContext,
  sandbox: Sandbox,
  { place, next }: { place: { dir: string }; next: string },
  log: Logger,
): Promise<void> {
  try {
    const tops = sandbox.life.tops.filter((top) => top !== next);
    await sandbox.updateLife(context.dataDir, { tops });
    await rm(context.rootfs.path(place, next), { force: true });
  } catch (err) {
    // Named or not, an empty top that nobody writes to is frozen with the others.
    log.error({ err }, "could not take back the top of a disk");
  }
}

/**
 * The pause has happened: its snapshot has its name. That decides, also for the next agent, which finds the record
 * `pausing` with that name when it cannot be written any more.
 */
async function recordPaused(
  context: HostContext,
  sandbox: Sandbox,
  saved: Pick<SandboxRecord, "snapshot" | "layers">,
  log: Logger,
): Promise<void> {
  try {
    await sandbox.update(context.dataDir, {
      ...saved,
      own: true,
      next: null,
      deadline: null,
      status: "paused",
    });
  } catch (err) {
    log.error({ err }, "could not record that a sandbox is paused; its snapshot says so");
  }
}

/** Gives the memory back. What else the machine holds goes with its life; a process that does not end is ended there. */
async function endProcess(machine: Machine, log: Logger): Promise<void> {
  kill(machine.process, "SIGKILL");
  if (!(await waitForExit(machine.process, END_TIMEOUT_MS))) log.warn("a machine takes long to end");
}

/** The top after the last one: `root-3` after `root-2`. */
function nextTop(tops: readonly string[]): string {
  const last = /^root-(\d+)/.exec(tops.at(-1) ?? "")?.[1];
  return `root-${Number(last ?? -1) + 1}`;
}

async function factsOf(context: HostContext, { record, life }: Sandbox): Promise<SnapshotFacts> {
  return {
    createdAt: Date.now(),
    vcpus: record.vcpus,
    diskMb: record.diskMb,
    accelerator: context.accelerator,
    vmm: await context.vmm.fingerprint({ accelerator: context.accelerator }),
    images: life.guest,
    commandLine: context.commandLine,
    ...guestTsc(context, life.tsc),
    token: record.token,
    template: record.template,
    disk: context.rootfs.below(record.layers),
  };
}
