// A host for tests of what becomes of a life: its machines run nothing, its guest is on loopback, and it notes what is
// taken and given back.
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newSandboxId } from "@wrenn/core";
import { ENVD_PORT } from "@wrenn/envd";
import { planSlot } from "@wrenn/linux";
import type { Manifest, Snapshot } from "@wrenn/snapshot";
import type { Machine } from "@wrenn/vmm";
import { Semaphore } from "async-mutex";
import { type Logger, pino } from "pino";
import { Capacity, VMM_OVERHEAD_MB } from "../sandbox/capacity.ts";
import type { HostContext } from "../sandbox/context.ts";
import { type SandboxRecord, startingRecord } from "../sandbox/record.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { FakeGuest } from "./fake-guest.ts";

const IMAGE = "4".repeat(64);
const MEMORY_MB = 512;
export const GUEST_IMAGES = { kernel: IMAGE, initramfs: IMAGE, agentDrive: IMAGE } as const;
export const FINGERPRINT: Readonly<Record<string, string>> = { vmm: "qemu 7.2" };
export const SHAPE = { vcpus: 1, memoryMb: MEMORY_MB, diskMb: 1024 } as const;

export class FakeHost implements AsyncDisposable {
  readonly dataDir: string = mkdtempSync(join(tmpdir(), "wrenn-fake-host-"));
  readonly guest = new FakeGuest();
  /** What happened, in order. */
  readonly events: string[] = [];
  /** What continuing from a snapshot fails with. */
  restoreFailure: Error | undefined;
  readonly context: HostContext;
  /** On a loopback address of its own, at the agent's port, where the platform looks for it. */
  readonly #address = `127.${randomInt(1, 255)}.${randomInt(255)}.${randomInt(1, 255)}`;
  readonly #snapshots = new Map<string, Snapshot>();

  private constructor() {
    this.context = this.#makeContext();
  }

  static async start(): Promise<FakeHost> {
    const host = new FakeHost();
    await host.guest.listen({ host: host.#address, port: ENVD_PORT });
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guest[Symbol.asyncDispose]();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** A booted copy that this host can continue, but for what is given. */
  addSnapshot(id: string, more: Partial<Manifest> = {}): void {
    const manifest = {
      ...{ ...SHAPE, accelerator: "tcg", vmm: FINGERPRINT, images: GUEST_IMAGES, base: null, generation: 1 },
      ...{ token: "held", disk: [{ kind: "image", name: IMAGE }] },
      ...more,
    } as unknown as Manifest;
    const dir = join(this.dataDir, "snapshots", id);
    this.#snapshots.set(id, { id, manifest, dir, devicesPath: join(dir, "devices.bin") });
  }

  #makeContext(): HostContext {
    const note = (event: string) => this.events.push(event);
    const uid = process.getuid?.() ?? 0;
    const slot = { ...planSlot(0, 0), guestAddress: this.#address, uid };
    const begin = async (how: string) => {
      note(how);
      return this.#machine();
    };
    const context = {
      ...{ dataDir: this.dataDir, cgroup: "wrenn-fake", accelerator: "tcg", commandLine: "" },
      tsc: { khz: 1, source: "nominal", scales: false },
      bootDeadlineMs: 60_000,
      boots: new Semaphore(1),
      loads: new Semaphore(1),
      // For one sandbox: what is not given back is missed by the next.
      capacity: new Capacity({ maxSandboxes: 1, memoryMb: MEMORY_MB + VMM_OVERHEAD_MB }),
      slots: {
        acquire: async () => {
          note("take slot");
          return slot;
        },
        releaseSoon: () => note("free slot"),
      },
      images: { path: (name: string) => join(this.dataDir, name) },
      rootfs: {
        stacks: true,
        create: async () => [],
        remove: async () => note("free disk"),
        path: ({ dir }: { dir: string }, top: string) => join(dir, top),
      },
      snapshots: {
        has: (id: string) => this.#snapshots.has(id),
        get: (id: string) => this.#snapshots.get(id),
        // Nothing of it is on disk: it is as it was written.
        assertContinues: async () => {},
        written: { assertLengths: async () => {}, assertDevices: async () => {} },
      },
      memory: { acquire: async () => ({ fd: -1, release: () => note("free memory image") }) },
      storage: { hold: () => () => {} },
      lazyMemory: { setting: "shared", works: false },
      vmm: {
        fillsMemory: true,
        fingerprint: async () => FINGERPRINT,
        start: () => begin("boot"),
        restore: async () => {
          note("load");
          if (this.restoreFailure) throw this.restoreFailure;
          return this.#machine();
        },
      },
    };
    return context as unknown as HostContext;
  }

  #machine(): Machine {
    const machine = {
      process: { pid: process.pid, startTime: 0 },
      exited: new Promise(() => {}),
      consoleTail: async () => "",
      resume: async () => {},
      kill: async () => {
        this.events.push("kill");
      },
    };
    return machine as unknown as Machine;
  }
}

/** A sandbox of {@link SHAPE} that nothing has been done with, unless the record says more. */
export function newSandbox(more: Partial<SandboxRecord> = {}): Sandbox {
  const time = { timeoutSec: 0, ttlMode: "inactivity", onTimeout: "pause" } as const;
  const asked = { id: newSandboxId(), template: "minimal", ...SHAPE, ...time, envs: {} };
  return new Sandbox({ ...startingRecord(asked), ...more });
}

/** The same in its first life, with one top. Its process is this one. */
export function newRunningSandbox(more: Partial<SandboxRecord> = {}): Sandbox {
  const life = { number: 1, slot: 0, process: { pid: process.pid, startTime: 0 }, base: null };
  return newSandbox({
    ...{ status: "running", lives: 1, life: { ...life, tops: ["root-0"], guest: GUEST_IMAGES } },
    ...more,
  });
}

/** A log, and what was written to it. */
export function listeningLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  return { log: pino({ level: "debug" }, { write }), lines };
}
