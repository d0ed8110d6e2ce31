// From nothing to a guest that has confirmed its init: every resource a sandbox runs on, taken in order.
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BOUNDS, MIB, Scope, WrennError } from "@wrenn/core";
import { GUEST, type SlotPlan, type SlotPool } from "@wrenn/linux";
import { type Accelerator, CONSOLE_MAX_BYTES, type Machine, type Vmm } from "@wrenn/vmm";
import type { Logger } from "pino";
import { GuestClient } from "../guest/client.ts";
import type { RootfsStore } from "../rootfs/rootfs-store.ts";
import type { GuestImages, TemplateImage } from "../template/registry.ts";
import { sandboxDir } from "./record.ts";
import type { Running, Sandbox } from "./sandbox.ts";

export interface StartContext {
  dataDir: string;
  /** Cgroup of the instance, below the platform's own; the sandbox's id is appended. */
  cgroup: string;
  vmm: Vmm;
  accelerator: Accelerator;
  commandLine: string;
  slots: SlotPool;
  rootfs: RootfsStore;
  bootDeadlineMs: number;
}

/** Attempts at booting. Under emulation about one boot in fifty hangs in the kernel's timer calibration. */
const BOOT_ATTEMPTS = 2;
/** The guest's init is local work in the guest: far below a boot. */
const INIT_TIMEOUT_MS = 30_000;

/**
 * Takes a slot, a disk and a machine, boots, and waits for the guest to confirm its init. What was taken is recorded in
 * the sandbox's scope; on failure the caller closes it.
 */
export async function startSandbox(
  context: StartContext,
  images: { guest: GuestImages; template: TemplateImage },
  sandbox: Sandbox,
  log: Logger,
): Promise<Running> {
  const { scope } = sandbox;
  const slot = await scope.take(
    "slot",
    () => context.slots.acquire(),
    (taken) => context.slots.release(taken),
  );
  const dir = join(sandboxDir(context.dataDir, sandbox.id), "vm");
  const guest = await scope.take(
    "guest client",
    () => new GuestClient({ host: slot.guestAddress, token: sandbox.record.token }),
    (client) => client.close(),
  );
  for (let attempt = 1; ; attempt++) {
    const attemptScope = new Scope();
    try {
      const machine = await bootOnce({ context, images, sandbox, slot, dir, guest, scope: attemptScope });
      await guest.init(
        { accessToken: sandbox.record.token, envVars: sandbox.envs, hostname: sandbox.id },
        AbortSignal.any([AbortSignal.timeout(INIT_TIMEOUT_MS), sandbox.gone.signal]),
      );
      const held = attemptScope.move();
      scope.defer("machine", () => held.close());
      return { machine, guest, slot };
    } catch (reason) {
      await attemptScope.close();
      if (attempt >= BOOT_ATTEMPTS || !(reason instanceof BootTimeout)) throw reason;
      log.warn({ err: reason, attempt }, "the guest did not come up in time; trying once more");
    }
  }
}

interface BootArguments {
  context: StartContext;
  images: { guest: GuestImages; template: TemplateImage };
  sandbox: Sandbox;
  slot: SlotPlan;
  dir: string;
  guest: GuestClient;
  scope: Scope;
}

async function bootOnce({
  context,
  images,
  sandbox,
  slot,
  dir,
  guest,
  scope,
}: BootArguments): Promise<Machine> {
  const { record } = sandbox;
  await makePrivateDir(dir, slot.uid);
  const rootLayers = await scope.take(
    "root file system",
    () =>
      context.rootfs.create({
        imagePath: imageFor(images.template, record.diskMb),
        dir,
        uid: slot.uid,
        diskMb: record.diskMb,
      }),
    () => context.rootfs.remove({ dir }),
  );
  const machine = await scope.take(
    "machine",
    () =>
      context.vmm.start({
        id: record.id,
        vcpus: record.vcpus,
        memoryMb: record.memoryMb,
        accelerator: context.accelerator,
        kernel: images.guest.kernelPath,
        initramfs: images.guest.initramfsPath,
        commandLine: context.commandLine,
        disks: [
          { id: "root", layers: rootLayers, readOnly: false },
          { id: "agent", layers: [{ path: images.guest.agentDrivePath, format: "raw" }], readOnly: true },
        ],
        net: { netnsPath: slot.netnsPath, tap: GUEST.tap, guestMac: GUEST.mac },
        uid: slot.uid,
        dir,
        cgroup: `${context.cgroup}/${record.id}`,
        // The overlay may hold every block of the disk once, and its own tables.
        maxFileBytes: Math.ceil(record.diskMb * 1.01) * MIB + 64 * CONSOLE_MAX_BYTES,
      }),
    (started) => started.kill(),
  );
  await waitForGuest({ machine, guest, deadlineMs: context.bootDeadlineMs, gone: sandbox.gone.signal });
  return machine;
}

/** The image of just that size, or the smallest one, which the guest grows while it boots. */
function imageFor(template: TemplateImage, diskMb: number): string {
  return diskMb === BOUNDS.disk_mb.default ? template.defaultDiskPath : template.rootfsPath;
}

interface GuestWait {
  machine: Machine;
  guest: GuestClient;
  deadlineMs: number;
  gone: AbortSignal;
}

/** Waits for the agent's first answer, the end of the VMM or of the sandbox, or the deadline, whichever is first. */
async function waitForGuest({ machine, guest, deadlineMs, gone }: GuestWait): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const ended = new AbortController();
  void machine.exited.then((exit) => ended.abort(exit));
  try {
    await guest.waitUntilHealthy(AbortSignal.any([deadline, ended.signal, gone]));
  } catch (cause) {
    gone.throwIfAborted();
    const tail = (await machine.consoleTail()).trim();
    const seen = tail === "" ? "its console is empty" : `its console ends with:\n${tail}`;
    if (ended.signal.aborted) {
      throw new WrennError("internal", `the virtual machine ended before its guest answered; ${seen}`, {
        cause,
      });
    }
    throw new BootTimeout(
      `the guest did not answer within ${Math.round(deadlineMs / 1000)} s; ${seen}`,
      cause,
    );
  }
}

/** A guest that did not come up in time: worth one more attempt. */
class BootTimeout extends WrennError {
  constructor(message: string, cause: unknown) {
    super("internal", message, { cause });
  }
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
