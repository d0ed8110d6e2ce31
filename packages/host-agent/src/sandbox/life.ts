// From nothing to a guest that has confirmed its init: what one life of a sandbox runs on, taken in order.
import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MIB, Scope, WrennError } from "@wrenn/core";
import { faultPoint, GUEST, type SlotPlan } from "@wrenn/linux";
import type { DiskLayerRef, Snapshot } from "@wrenn/snapshot";
import { CONSOLE_MAX_BYTES, type DiskLayer, type MachineSpec } from "@wrenn/vmm";
import type { Logger } from "pino";
import { GuestClient } from "../guest/client.ts";
import { settleMemory, startSaved } from "../memory/start-saved.ts";
import { ROOT_DISK } from "../rootfs/rootfs-store.ts";
import { acquire } from "./acquire.ts";
import { guestTsc } from "./compatible.ts";
import { confirmInit } from "./confirm-init.ts";
import type { HostContext } from "./context.ts";
import { linkKept, topsOfKept } from "./kept-tops.ts";
import { type GuestImageNames, lifeDir, lifeGroup } from "./record.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import { Stopwatch } from "./stopwatch.ts";
import { BootFailure, waitForGuest } from "./wait-for-guest.ts";

/** How a life begins, and the frozen layers of its disk, bottom first. */
export type Beginning = {
  layers: DiskLayerRef[];
  diskMb: number;
  /** Whether what the record has kept of a dead machine's disk lies on top of the layers. */
  onKept?: boolean;
} & (
  | { kind: "cold"; guest: GuestImageNames }
  /** `base`: the snapshot whose memory image is shared; what differs from it is written before the guest goes on. */
  | { kind: "saved"; snapshot: Snapshot; base: string }
);

/**
 * Attempts at booting. Under emulation about one boot in fifty hangs in the kernel's timer calibration, and under an
 * emulated KVM a machine ends by itself now and then, before its init.
 */
const BOOT_ATTEMPTS = 2;

/**
 * Begins a life: capacity, slot, disk, memory, machine, and the guest's confirmed init. The record says what is taken
 * before it is taken. On failure everything is given back and the record has no life. What each step took is on `watch`.
 */
export async function beginLife(
  context: HostContext,
  sandbox: Sandbox,
  beginning: Beginning,
  log: Logger,
  watch: Stopwatch = new Stopwatch(),
): Promise<Running> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await beginOnce(context, sandbox, beginning, { log, watch });
    } catch (reason) {
      if (beginning.kind === "saved" || attempt >= BOOT_ATTEMPTS || !(reason instanceof BootFailure))
        throw reason;
      log.warn({ err: reason, attempt }, "the guest did not come up; trying once more");
    }
  }
}

async function beginOnce(
  context: HostContext,
  sandbox: Sandbox,
  beginning: Beginning,
  { log, watch }: { log: Logger; watch: Stopwatch },
): Promise<Running> {
  await using scope = new Scope();
  const { record } = sandbox;
  const { signal } = sandbox.gone;
  const freeCapacity = context.capacity.reserve(record.memoryMb);
  scope.defer("capacity", freeCapacity);
  const places = beginning.kind === "cold" ? context.boots : context.loads;
  await using turn = new Scope();
  turn.defer("turn", await acquire(places, signal));
  watch.lap("turn");
  const slot = await scope.take(
    "slot",
    () => context.slots.acquire(signal),
    (taken) => context.slots.releaseSoon(taken),
  );
  // Before the guest sends its first packet.
  if (record.egress) await context.slots.restrict(slot, record.egress, signal);
  watch.lap("slot");
  const number = (record.life?.number ?? record.lives) + 1;
  const dir = lifeDir(context.dataDir, sandbox.id, number);
  const base = beginning.kind === "saved" ? beginning.base : null;
  const saved = beginning.kind === "saved" ? beginning.snapshot.manifest : undefined;
  const guestImages = beginning.kind === "cold" ? beginning.guest : beginning.snapshot.manifest.images;
  const tsc = guestTsc(context, saved);
  const below = beginning.onKept ? topsOfKept(context.rootfs, record) : [];
  const top = `root-${below.length}`;
  await sandbox.update(context.dataDir, {
    lives: number,
    life: { number, slot: slot.slot, process: null, base, tops: [...below, top], guest: guestImages, tsc },
  });
  scope.defer("life in the record", () => sandbox.update(context.dataDir, { life: null }));
  scope.defer("directory", () => rm(dir, { recursive: true, force: true }));
  await makePrivateDir(dir, slot.uid);
  faultPoint("life.recorded");
  const { diskMb } = beginning;
  const { imagePath, frozen } = diskPaths(context, beginning.layers);
  if (beginning.onKept)
    frozen.push(...(await linkKept(context.rootfs, context.dataDir, record, { dir, uid: slot.uid })));
  const layers = await scope.take(
    "root file system",
    () => context.rootfs.create({ imagePath, frozen, dir, uid: slot.uid, diskMb }, top),
    () => context.rootfs.remove({ dir }),
  );
  watch.lap("disk");
  const machine = await scope.take(
    "machine",
    () => {
      const spec = machineSpec({ context, sandbox, slot, dir, layers, diskMb });
      if (beginning.kind === "cold") return context.vmm.start(spec);
      return startSaved({ context, spec, snapshot: beginning.snapshot, base: beginning.base, scope, log });
    },
    (started) => started.kill(),
  );
  await sandbox.updateLife(context.dataDir, { process: machine.process });
  faultPoint("life.machine", machine.process);
  watch.lap("machine");
  const guest = await scope.take(
    "guest client",
    () => new GuestClient({ host: slot.guestAddress, token: record.token }),
    (client) => client.close(),
  );
  if (beginning.kind === "cold")
    await waitForGuest({ machine, guest, deadlineMs: context.bootDeadlineMs, gone: signal });
  else await machine.resume();
  faultPoint("life.running", machine.process);
  watch.lap(beginning.kind === "cold" ? "boot" : "resume");
  await confirmInit({
    guest,
    machine,
    sandbox,
    isItself:
      beginning.kind === "saved" && beginning.snapshot.id === record.snapshot && record.status === "resuming",
    heldToken: beginning.kind === "cold" ? undefined : beginning.snapshot.manifest.token,
    deadlineMs: context.bootDeadlineMs / 2,
  });
  signal.throwIfAborted();
  watch.lap("init");
  if (base !== null) await settleMemory(context, { machine, base, log });
  return { machine, guest, slot, dir, freeCapacity, scope: scope.move() };
}

/** The disk's layers below the top as files: the template's image, and the frozen ones. */
export function diskPaths(
  context: HostContext,
  layers: readonly DiskLayerRef[],
): { imagePath: string; frozen: string[] } {
  let imagePath: string | undefined;
  const frozen: string[] = [];
  for (const layer of layers) {
    if (layer.kind === "image") imagePath = context.images.path(layer.name);
    else frozen.push(context.snapshots.diskPath(layer));
  }
  if (imagePath === undefined) throw new WrennError("internal", "a disk without a root image");
  return { imagePath, frozen };
}

/** The machine of a life, as it is started and as it is adopted. */
export function machineSpec(parts: {
  context: HostContext;
  sandbox: Sandbox;
  slot: SlotPlan;
  dir: string;
  layers: DiskLayer[];
  diskMb: number;
}): MachineSpec {
  const { context, sandbox, slot, dir, layers, diskMb } = parts;
  const { record } = sandbox;
  const guestImages = sandbox.life.guest;
  return {
    id: record.id,
    vcpus: record.vcpus,
    memoryMb: record.memoryMb,
    accelerator: context.accelerator,
    kernel: context.images.path(guestImages.kernel),
    initramfs: context.images.path(guestImages.initramfs),
    commandLine: context.commandLine,
    disks: [
      { id: ROOT_DISK, layers, readOnly: false },
      {
        id: "agent",
        layers: [{ path: context.images.path(guestImages.agentDrive), format: "raw" }],
        readOnly: true,
      },
    ],
    net: { netnsPath: slot.netnsPath, tap: GUEST.tap, guestMac: GUEST.mac },
    uid: slot.uid,
    dir,
    cgroup: `${context.cgroup}/${lifeGroup(record.id, sandbox.life.number)}`,
    // The overlay may hold every block of the disk once, and its own tables.
    maxFileBytes: Math.ceil(diskMb * 1.01) * MIB + 64 * CONSOLE_MAX_BYTES,
  };
}

/** Makes the VMM's directory and its console, owned by the VMM's user and closed to everybody else. */
async function makePrivateDir(dir: string, uid: number): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const console = join(dir, "console.log");
  await writeFile(console, "", { mode: 0o600 });
  await chown(console, uid, uid);
  await chown(dir, uid, uid);
}
