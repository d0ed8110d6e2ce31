// The QEMU driver: a microvm in a process that is confined as if its guest had already broken out.
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { Scope, WrennError } from "@wrenn/core";
import {
  type Cgroup,
  type Cgroups,
  CommandError,
  kill,
  makeDeviceNodes,
  type ProcessIdentity,
  removeDeviceNodes,
  run,
  spawnConfined,
  waitForExit,
} from "@wrenn/linux";
import { readConsoleTail } from "../console.ts";
import type { GuestMemory, Machine, MachineExit, MachineSpec, Vmm } from "../vmm.ts";
import { INSIDE, qemuArguments } from "./arguments.ts";
import { machineConfinement, machineDevices, machineLimits } from "./confinement.ts";

const BINARY = "/usr/bin/qemu-system-x86_64";
/** SIGKILL is immediate; what takes time is the kernel freeing the guest's memory, more so on a busy machine. */
const KILL_TIMEOUT_MS = 10_000;

export class QemuVmm implements Vmm {
  readonly name = "qemu";
  readonly #cgroups: Cgroups;
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
    await using scope = new Scope();
    const cgroup = await scope.take(
      "cgroup",
      () => this.#cgroups.create(spec.cgroup, machineLimits(spec)),
      (group) => group.remove(),
    );
    // QEMU's own complaints go where the guest's do: both are wanted when a machine does not come up.
    await using output = await open(join(spec.dir, basename(INSIDE.console)), "a", 0o600);
    const devices = await scope.take(
      "device nodes",
      () => makeDeviceNodes(spec.uid, machineDevices(spec)),
      () => removeDeviceNodes(spec.uid),
    );
    const started = await spawnConfined(machineConfinement(spec, devices), [BINARY, ...qemuArguments(spec)], {
      cgroup,
      stdout: output.fd,
      stderr: output.fd,
      env: { PATH: "/usr/bin", LANG: "C.UTF-8" },
    });
    scope.move();
    return new QemuMachine({ spec, cgroup, process: started.identity, exited: started.exited });
  }

  restore(): Promise<Machine> {
    throw later();
  }

  adopt(): Promise<Machine> {
    throw later();
  }

  fingerprint(): Promise<Record<string, string>> {
    throw later();
  }
}

function later(): WrennError {
  return new WrennError("not_implemented", "saved state is not to be had from this version");
}

class QemuMachine implements Machine {
  readonly process: ProcessIdentity;
  readonly exited: Promise<MachineExit>;
  readonly #spec: MachineSpec;
  readonly #cgroup: Cgroup;

  constructor(options: {
    spec: MachineSpec;
    cgroup: Cgroup;
    process: ProcessIdentity;
    exited: Promise<MachineExit>;
  }) {
    this.#spec = options.spec;
    this.#cgroup = options.cgroup;
    this.process = options.process;
    this.exited = options.exited;
  }

  get memory(): GuestMemory {
    throw later();
  }

  pause(): Promise<void> {
    throw later();
  }

  resume(): Promise<void> {
    throw later();
  }

  saveDevices(): Promise<void> {
    throw later();
  }

  addLayer(): Promise<void> {
    throw later();
  }

  onDiskError(): void {
    throw later();
  }

  consoleTail(): Promise<string> {
    return readConsoleTail(join(this.#spec.dir, basename(INSIDE.console)));
  }

  async kill(): Promise<void> {
    kill(this.process, "SIGKILL");
    if (!(await waitForExit(this.process, KILL_TIMEOUT_MS))) {
      const { pid } = this.process;
      throw new WrennError(
        "internal",
        `the virtual machine of ${this.#spec.id} (process ${pid}) does not end`,
      );
    }
    await this.#cgroup.kill();
    await this.#cgroup.remove();
    removeDeviceNodes(this.#spec.uid);
  }
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
