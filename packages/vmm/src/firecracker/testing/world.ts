// Machines whose VMM is the stand-in: the driver's own code, a real process, real files and sockets, no confinement.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB } from "@wrenn/core";
import {
  type Bind,
  type Cgroup,
  type Cgroups,
  type ConfinedProcess,
  type Confinement,
  kill,
  MemoryFile,
  type ProcessIdentity,
  processIdentity,
} from "@wrenn/linux";
import type { MachineSpec } from "../../vmm.ts";
import { type FirecrackerOptions, FirecrackerVmm } from "../driver.ts";
import { type FakeSettings, type Fault, SETTINGS_VARIABLE, STATE_START } from "./fake-firecracker.ts";

const FAKE = join(import.meta.dirname, "fake-firecracker.ts");
export const MEMORY_MB = 4;

export interface Call {
  name: string;
  status: number;
  body: string;
}

export class FakeWorld implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "wrenn-fc-"));
  readonly cgroups = new FakeCgroups();
  /** Of the last process. */
  confinement: Confinement | undefined;
  argv: readonly string[] = [];
  fault: Fault | undefined;
  readonly #log = join(this.dir, "calls");
  readonly #started: ProcessIdentity[] = [];

  constructor() {
    for (const name of ["kernel", "initramfs", "root", "agent", "firecracker"])
      writeFileSync(join(this.dir, name), name);
    writeFileSync(this.#log, "");
  }

  /** A driver of its own. */
  vmm(options: Partial<FirecrackerOptions> = {}): FirecrackerVmm {
    return new FirecrackerVmm({
      cgroups: this.cgroups,
      binary: { path: join(this.dir, "firecracker"), version: "1.16.1", snapshotVersion: "10.0.0" },
      host: {
        spawn: (confinement, argv, given) => this.#spawn(confinement, argv, given),
        makeDeviceNodes: async (_uid, devices) => devices.map(({ from, to }) => ({ from, to })),
      },
      ...options,
    });
  }

  /** A machine named `id`, in a directory that is made. */
  spec(id: string, further: Partial<MachineSpec> = {}): MachineSpec {
    const dir = join(this.dir, id);
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o700);
    return {
      id,
      vcpus: 1,
      memoryMb: MEMORY_MB,
      accelerator: "kvm",
      kernel: join(this.dir, "kernel"),
      initramfs: join(this.dir, "initramfs"),
      commandLine: "console=ttyS0",
      disks: [
        { id: "root", layers: [{ path: join(this.dir, "root"), format: "raw" }], readOnly: false },
        { id: "agent", layers: [{ path: join(this.dir, "agent"), format: "raw" }], readOnly: true },
      ],
      net: { netnsPath: "/run/netns/none", tap: "tap0", guestMac: "02:00:00:00:00:01" },
      uid: process.getuid?.() ?? 0,
      dir,
      cgroup: `fc-test/${id}`,
      maxFileBytes: 1024,
      ...further,
    };
  }

  /** The calls that were answered, of all processes so far, and forgets them. */
  calls(): Call[] {
    const lines = readFileSync(this.#log, "utf8").split("\n").filter(Boolean);
    writeFileSync(this.#log, "");
    return lines.map((line) => JSON.parse(line) as Call);
  }

  [Symbol.dispose](): void {
    for (const identity of this.#started) kill(identity, "SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #spawn(
    confinement: Confinement,
    argv: readonly string[],
    { stdout, stderr, fds = [], cgroup }: Parameters<typeof import("@wrenn/linux").spawnConfined>[2],
  ): Promise<ConfinedProcess> {
    this.confinement = confinement;
    this.argv = argv;
    const { ro, rw = [], devices = [] } = confinement.binds;
    const pairs = [...ro, ...rw, ...devices].map(pairOf).sort((a, b) => b.to.length - a.to.length);
    const settings: FakeSettings = { binds: pairs, log: this.#log, fault: this.fault };
    // As inside a confinement: what is inherited begins with descriptor 5.
    const child = spawn(process.execPath, [FAKE, ...argv.slice(1)], {
      stdio: ["ignore", stdout, stderr, "ignore", "ignore", ...fds],
      env: { [SETTINGS_VARIABLE]: JSON.stringify(settings) },
      detached: true,
    });
    const identity = processIdentity(child.pid ?? 0);
    if (!identity) throw new Error("the stand-in did not start");
    this.#started.push(identity);
    cgroup?.add(identity.pid);
    const exited = new Promise<{ status: number | null }>((resolve) => {
      child.once("exit", (code, signal) => resolve({ status: signal === "SIGKILL" ? 137 : code }));
    });
    return { identity, exited };
  }
}

function pairOf(bind: Bind): { from: string; to: string } {
  return typeof bind === "string" ? { from: bind, to: bind } : bind;
}

/** Groups that only remember. */
export class FakeCgroups implements Cgroups {
  readonly version = 2;
  readonly groups = new Map<string, Set<number>>();

  create(path: string): Cgroup {
    this.groups.set(path, new Set());
    return this.open(path);
  }

  open(path: string): Cgroup {
    return {
      path,
      add: (pid) => void this.groups.get(path)?.add(pid),
      members: () => [...(this.groups.get(path) ?? [])],
      kill: async () => {},
      remove: async () => void this.groups.delete(path),
      removeIfUnused: () => {},
    };
  }

  list(): string[] {
    return [...this.groups.keys()];
  }
}

export interface WorldTools {
  /** A saved state, and the image of its memory. */
  saved(): { devicesPath: string; image: MemoryFile };
  /** Works with processes that have a fault. */
  withFault<T>(fault: Fault, work: () => Promise<T>): Promise<T>;
  /** Nothing is left of a machine that could not be made. */
  assertNothingLeft(): void;
  /** The names of the calls since the last look, those that were refused with their status. */
  names(): string[];
}

/** What the tests of the driver do in a world again and again. */
export function worldTools(world: FakeWorld): WorldTools {
  return {
    saved: () => {
      const devicesPath = join(world.dir, "saved.state");
      writeFileSync(devicesPath, `${STATE_START} ${MEMORY_MB * 256}`);
      const image = MemoryFile.create("wrenn-test", MEMORY_MB * MIB);
      image.seal();
      return { devicesPath, image };
    },
    withFault: async (fault, work) => {
      world.fault = fault;
      try {
        return await work();
      } finally {
        world.fault = undefined;
      }
    },
    assertNothingLeft: () => assert.deepEqual(world.cgroups.list(), []),
    names: () => world.calls().map(({ name, status }) => (status < 300 ? name : `${name} ${status}`)),
  };
}
