// The QEMU driver: a microvm in a process that is confined as if its guest had already broken out.
import { closeSync, openSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { debuglog } from "node:util";
import { Scope, WrennError } from "@wrenn/core";
import {
  type Cgroups,
  CommandError,
  confinedFd,
  isAlive,
  listenUnix,
  makeDeviceNodes,
  type ProcessIdentity,
  removeDeviceNodes,
  run,
  socketPair,
  spawnConfined,
} from "@wrenn/linux";
import { assertIsMachine, exitOf } from "../adopt.ts";
import { imageHoles } from "../memory-image.ts";
import type { Machine, MachineSpec, SavedState, Vmm } from "../vmm.ts";
import { INSIDE, MEMORY_ID, qemuArguments } from "./arguments.ts";
import { machineConfinement, machineDevices, machineLimits } from "./confinement.ts";
import { qemuFingerprint } from "./fingerprint.ts";
import { controlSocket, QemuMachine } from "./machine.ts";
import type { Roms } from "./postcopy/blocks.ts";
import { assertArrived } from "./postcopy/load.ts";
import { probeRoms } from "./postcopy/probe-roms.ts";
import { SourceThread } from "./postcopy/source-thread.ts";
import { deviceSections } from "./postcopy/stream.ts";
import { QmpSession } from "./session.ts";

const BINARY = "/usr/bin/qemu-system-x86_64";
/** What an earlier process had begun (a stop, a flush, the devices' state) may take as long; then it is stuck. */
const ADOPT_TIMEOUT_MS = 60_000;
/**
 * When a guest whose memory arrives while it runs is sent what it did not ask for: once it has come to itself, so that its
 * first work neither competes with that nor waits for it. On a busy host that work takes longer.
 */
const PUSH = { afterMs: 2000, quietMs: 500, byMs: 10_000 } as const;
const log = debuglog("wrenn-vmm");

export class QemuVmm implements Vmm {
  readonly name = "qemu";
  readonly fillsMemory = true;
  readonly #cgroups: Cgroups;
  /** By kind of machine. */
  readonly #roms = new Map<string, Promise<Roms>>();
  #version: Promise<string> | undefined;

  constructor(options: { cgroups: Cgroups }) {
    this.#cgroups = options.cgroups;
  }

  /** `7.2.22`. Throws `unavailable` when QEMU is not installed. */
  version(): Promise<string> {
    this.#version ??= readVersion();
    return this.#version;
  }

  async start(spec: MachineSpec): Promise<Machine> {
    if (spec.memory?.kind === "lazy") throw wrongMemory("a machine that is booted has no memory to wait for");
    return await this.#launch(spec, undefined);
  }

  async restore(spec: MachineSpec, saved: SavedState): Promise<Machine> {
    if (spec.memory?.kind === "lazy") return await this.#restoreLazily(spec, spec.memory, saved);
    const lap = laps(spec.id);
    const devices = openState(saved.devicesPath);
    try {
      const machine = await this.#launch(spec, devices);
      lap("process");
      try {
        await machine.openMemory();
        lap("control and memory");
        await saved.fillMemory?.(machine.memory);
        lap("fill");
        await machine.load();
        lap("devices");
        return machine;
      } catch (cause) {
        await machine.kill();
        throw await restoreFailure(spec, machine, cause);
      }
    } finally {
      closeSync(devices);
    }
  }

  async adopt(spec: MachineSpec, process: ProcessIdentity): Promise<Machine> {
    const cgroup = this.#cgroups.open(spec.cgroup);
    assertIsMachine(spec, process, cgroup);
    const session = new QmpSession({ path: controlSocket(spec), isAlive: () => isAlive(process) });
    try {
      await session.execute("query-status", undefined, { timeoutMs: ADOPT_TIMEOUT_MS });
      await assertArrived(session, ADOPT_TIMEOUT_MS);
      const exited = exitOf(process, (look) => session.on("close", look));
      const machine = new QemuMachine({ spec, cgroup, process, session, exited });
      await machine.openMemory();
      return machine;
    } catch (cause) {
      session.close();
      throw new WrennError(
        "not_found",
        `the machine of ${spec.id} (process ${process.pid}) does not answer`,
        {
          cause,
        },
      );
    }
  }

  async fingerprint(spec: Pick<MachineSpec, "accelerator">): Promise<Record<string, string>> {
    return qemuFingerprint(await this.version(), spec);
  }

  /** The same with memory that arrives while the guest runs. */
  async #restoreLazily(
    spec: MachineSpec,
    { pages }: Extract<MachineSpec["memory"], { kind: "lazy" }>,
    { devicesPath, fillMemory }: SavedState,
  ): Promise<Machine> {
    if (fillMemory) throw wrongMemory("memory that arrives later cannot be filled in before");
    const lap = laps(spec.id);
    const state = await readFile(devicesPath).catch((cause: unknown) => {
      throw new WrennError("not_found", `the saved state ${devicesPath} cannot be read`, { cause });
    });
    const devices = deviceSections(state);
    const roms = await this.#romsOf(spec);
    lap("tables");
    const [fd, theirs] = socketPair();
    const source = new SourceThread({
      fd,
      pages,
      roms,
      devices,
      memory: MEMORY_ID,
      push: PUSH,
    });
    let machine: QemuMachine | undefined;
    try {
      machine = await this.#launch(spec, theirs, source);
      lap("process");
      await machine.load();
      lap("devices");
      await machine.openMemory();
      return machine;
    } catch (cause) {
      await machine?.kill();
      throw machine ? await restoreFailure(spec, machine, cause) : cause;
    } finally {
      closeSync(theirs);
      // Not instead of what has failed.
      if (!machine) await source.stop().catch(() => {});
    }
  }

  /** What machines of this kind have in memory besides their guest's; found out once. */
  async #romsOf(spec: MachineSpec): Promise<Roms> {
    const { vcpus, memoryMb, disks, net } = spec;
    const kind = JSON.stringify([
      await this.fingerprint(spec),
      ...[vcpus, memoryMb, disks.map(({ id, readOnly }) => [id, readOnly]), net !== undefined],
    ]);
    const known = this.#roms.get(kind);
    if (known !== undefined) return await known;
    const probing = probeRoms(spec, { cgroups: this.#cgroups, binary: BINARY });
    this.#roms.set(kind, probing);
    probing.catch(() => this.#roms.delete(kind));
    return await probing;
  }

  /** Starts the process, with a saved state to wait for when `devices` is given, which may be the way to a source. */
  async #launch(spec: MachineSpec, devices: number | undefined, source?: SourceThread): Promise<QemuMachine> {
    await using scope = new Scope();
    const image = spec.memory?.kind === "image" ? spec.memory.fd : undefined;
    const cgroup = await scope.take(
      "cgroup",
      () => this.#cgroups.create(spec.cgroup, machineLimits(spec, imageHoles(spec, image))),
      (group) => group.remove(),
    );
    // QEMU's own complaints go where the guest's do: both are wanted when a machine does not come up.
    await using output = await open(join(spec.dir, basename(INSIDE.console)), "a", 0o600);
    const nodes = await scope.take(
      "device nodes",
      () => makeDeviceNodes(spec.uid, machineDevices(spec)),
      () => removeDeviceNodes(spec.uid),
    );
    const path = controlSocket(spec);
    scope.defer("control socket", () => rm(path, { force: true }));
    const listener = listenUnix(path);
    try {
      const inherited = [listener, devices, image].filter((fd) => fd !== undefined);
      const inside = (fd: number | undefined) =>
        fd === undefined ? undefined : confinedFd(inherited.indexOf(fd));
      const fds = { qmp: confinedFd(0), memory: inside(image) };
      const argv = qemuArguments(spec, { fds, incoming: devices !== undefined });
      const { identity, exited } = await spawnConfined(machineConfinement(spec, nodes), [BINARY, ...argv], {
        cgroup,
        stdout: output.fd,
        stderr: output.fd,
        env: { PATH: "/usr/bin", LANG: "C.UTF-8" },
        fds: inherited,
      });
      const session = new QmpSession({ path, isAlive: () => isAlive(identity) });
      scope.move();
      return new QemuMachine({
        spec,
        cgroup,
        process: identity,
        exited,
        session,
        devicesFd: inside(devices),
        source,
      });
    } finally {
      // From here on the machine alone holds it: its end is the end of the socket.
      closeSync(listener);
    }
  }
}

function openState(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new WrennError("not_found", `the saved state ${path} cannot be read`, { cause });
  }
}

function wrongMemory(why: string): WrennError {
  return new WrennError("invalid_argument", why);
}

/** What the caller is told, with QEMU's own words. */
async function restoreFailure(spec: MachineSpec, machine: Machine, cause: unknown): Promise<WrennError> {
  const reason = WrennError.from(cause);
  const tail = (await machine.consoleTail()).trim().split("\n").slice(-5).join("\n");
  const text = `the machine of ${spec.id} did not take its saved state: ${reason.message}`;
  return new WrennError(reason.code, tail ? `${text}\n${tail}` : text, { cause });
}

/** Prints how long each step took when NODE_DEBUG names `wrenn-vmm`. */
function laps(id: string): (step: string) => void {
  let last = performance.now();
  return (step) => {
    const now = performance.now();
    log("%s: %s took %s ms", id, step, (now - last).toFixed(1));
    last = now;
  };
}

async function readVersion(): Promise<string> {
  try {
    const { stdout } = await run([BINARY, "--version"], { timeoutMs: 10_000 });
    const version = /version (\d+\.\d+\.\d+)/.exec(stdout.toString())?.[1];
    if (version) return version;
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new WrennError("unavailable", `${BINARY} cannot be run; install Debian's qemu-system-x86`, {
      cause,
    });
  }
  throw new WrennError("unavailable", `${BINARY} --version printed no version`);
}
