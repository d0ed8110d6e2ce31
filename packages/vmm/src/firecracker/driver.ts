// The Firecracker driver: a microVM in a process that is confined as if its guest had already broken out.
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { debuglog } from "node:util";
import { Scope, WrennError } from "@wrenn/core";
import {
  type Cgroups,
  isAlive,
  kill,
  MemoryFile,
  makeDeviceNodes,
  type ProcessIdentity,
  removeDeviceNodes,
  spawnConfined,
} from "@wrenn/linux";
import { assertIsMachine, exitOf } from "../adopt.ts";
import { FaultThreads } from "../faults/fault-threads.ts";
import { imageHoles } from "../memory-image.ts";
import type { Machine, MachineSpec, SavedState, Vmm } from "../vmm.ts";
import { FirecrackerApi } from "./api/client.ts";
import type { FirecrackerBinary } from "./binary.ts";
import { bootRequests, loadRequest, type Rates, rateRequests } from "./boot.ts";
import { machineConfinement, machineDevices, machineLimits } from "./confinement.ts";
import { firecrackerFingerprint } from "./fingerprint.ts";
import { apiSocket, INSIDE, PICTURE_FD } from "./layout.ts";
import { FirecrackerMachine } from "./machine.ts";
import { MemoryPicture } from "./memory-picture.ts";
import { isForsaken, ServedMemory } from "./served-memory.ts";

export interface FirecrackerOptions {
  cgroups: Cgroups;
  /** See `inspectFirecracker`. */
  binary: FirecrackerBinary;
  /** Default: none. */
  rates?: Rates | undefined;
  /**
   * Whether KVM logs the pages that guests write, so that saving writes those alone. Otherwise all memory is written each
   * time. Default: true.
   */
  trackDirtyPages?: boolean | undefined;
  /** Starts and prepares the confined process; tests have their own. Default: those of `@wrenn/linux`. */
  host?: { spawn: typeof spawnConfined; makeDeviceNodes: typeof makeDeviceNodes } | undefined;
  /** See {@link FaultThreads}. */
  codeCacheDir?: string | undefined;
  /** Milliseconds in which the process must listen. Default: 30 000. */
  listenTimeoutMs?: number | undefined;
}

const LISTEN_TIMEOUT_MS = 30_000;
/** Reading the kernel and the initramfs, and starting the virtual processors. */
const BOOT_TIMEOUT_MS = 60_000;
const LOAD_TIMEOUT_MS = 60_000;
/** A picture that an earlier process had begun may take as long (`machine.ts`); then it is stuck. */
const ADOPT_TIMEOUT_MS = 120_000;
const log = debuglog("wrenn-vmm");

export class FirecrackerVmm implements Vmm {
  readonly name = "firecracker";
  readonly fillsMemory = false;
  readonly #options: FirecrackerOptions;
  readonly #trackDirtyPages: boolean;
  readonly #rates: Rates;
  readonly #listenTimeoutMs: number;
  readonly #faultThreads: FaultThreads;

  constructor(options: FirecrackerOptions) {
    this.#options = options;
    this.#trackDirtyPages = options.trackDirtyPages ?? true;
    this.#rates = options.rates ?? {};
    this.#listenTimeoutMs = options.listenTimeoutMs ?? LISTEN_TIMEOUT_MS;
    const { codeCacheDir } = options;
    this.#faultThreads = new FaultThreads(codeCacheDir === undefined ? {} : { codeCacheDir });
  }

  async version(): Promise<string> {
    return this.#options.binary.version;
  }

  async start(spec: MachineSpec): Promise<Machine> {
    if (spec.memory && spec.memory.kind !== "fresh") {
      throw new WrennError("invalid_argument", "a guest that boots has fresh memory");
    }
    const requests = bootRequests(spec, { rates: this.#rates, trackDirtyPages: this.#trackDirtyPages });
    const machine = await this.#launch(spec, undefined);
    return await orKill(spec, machine, "did not start", async () => {
      for (const request of requests) await machine.send(request, BOOT_TIMEOUT_MS);
    });
  }

  async restore(spec: MachineSpec, { devicesPath, fillMemory }: SavedState): Promise<Machine> {
    if (fillMemory) {
      throw new WrennError("not_implemented", "Firecracker loads the memory of a saved state as a whole");
    }
    const request = loadRequest(spec, { trackDirtyPages: this.#trackDirtyPages });
    const began = performance.now();
    const state = await readState(devicesPath);
    const machine = await this.#launch(spec, state).finally(() => state.close());
    const started = performance.now();
    return await orKill(spec, machine, "did not take its saved state", async () => {
      await machine.send(request, LOAD_TIMEOUT_MS);
      await machine.assertStandsStill();
      for (const each of rateRequests(spec, this.#rates)) await machine.send(each);
      const now = performance.now();
      log("%s: process %d ms, load %d ms", spec.id, started - began, now - started);
    });
  }

  async adopt(spec: MachineSpec, process: ProcessIdentity): Promise<Machine> {
    const cgroup = this.#options.cgroups.open(spec.cgroup);
    assertIsMachine(spec, process, cgroup);
    const api = new FirecrackerApi({ path: apiSocket(spec), isAlive: () => isAlive(process) });
    let picture: MemoryPicture | undefined;
    try {
      if (isForsaken(spec))
        throw new WrennError("not_found", "a part of its memory was not loaded, and never will be");
      picture = MemoryPicture.openOf(process.pid, PICTURE_FD, spec.memoryMb);
      await api.send({ operation: "describe", body: undefined }, { timeoutMs: ADOPT_TIMEOUT_MS });
      return this.#machine({ spec, cgroup, process, exited: exitOf(process), api, picture });
    } catch (cause) {
      picture?.close();
      throw new WrennError(
        "not_found",
        `the machine of ${spec.id} (process ${process.pid}) does not answer`,
        { cause },
      );
    }
  }

  async fingerprint({ accelerator }: Pick<MachineSpec, "accelerator">): Promise<Record<string, string>> {
    assertKvm(accelerator);
    return await firecrackerFingerprint(this.#options.binary);
  }

  /** Starts the process and waits until it listens. It has no guest then. */
  async #launch(spec: MachineSpec, state: MemoryFile | undefined): Promise<FirecrackerMachine> {
    assertKvm(spec.accelerator);
    const { cgroups, binary, host = { spawn: spawnConfined, makeDeviceNodes } } = this.#options;
    await using scope = new Scope();
    const image = spec.memory?.kind === "image" ? spec.memory.fd : undefined;
    const cgroup = await scope.take(
      "cgroup",
      () => cgroups.create(spec.cgroup, machineLimits(spec, imageHoles(spec, image))),
      (group) => group.remove(),
    );
    const picture = await scope.take(
      "memory picture",
      () => MemoryPicture.create(spec.memoryMb),
      (made) => made.close(),
    );
    // The guest's console and Firecracker's own complaints: both are wanted when a machine does not come up.
    await using output = await open(join(spec.dir, "console.log"), "a", 0o600);
    const devices = await scope.take(
      "device nodes",
      () => host.makeDeviceNodes(spec.uid, machineDevices(spec)),
      () => removeDeviceNodes(spec.uid),
    );
    await rm(apiSocket(spec), { force: true });
    let launched: ProcessIdentity | undefined;
    const served = await this.#serve(scope, spec, () => {
      if (launched) kill(launched, "SIGKILL");
    });
    const { identity, exited } = await host.spawn(
      machineConfinement(spec, { binary: binary.path, devices }),
      [INSIDE.binary, ...firecrackerArguments(spec)],
      {
        cgroup,
        stdout: output.fd,
        stderr: output.fd,
        env: { PATH: "/usr/bin", LANG: "C.UTF-8" },
        fds: [picture.file, state].flatMap((file) => file?.fd ?? []).concat(image ?? []),
      },
    );
    launched = identity;
    const api = new FirecrackerApi({ path: apiSocket(spec), isAlive: () => isAlive(identity) });
    const machine = this.#machine({ spec, cgroup, process: identity, exited, api, picture, served });
    scope.move();
    return await orKill(spec, machine, "did not come up", () =>
      api.untilServing({ timeoutMs: this.#listenTimeoutMs }),
    );
  }

  /** The server of a memory that arrives later; undefined for others. */
  async #serve(scope: Scope, spec: MachineSpec, onFailure: () => void): Promise<ServedMemory | undefined> {
    if (spec.memory?.kind !== "lazy") return undefined;
    const { pages } = spec.memory;
    return await scope.take(
      "server of its memory",
      () =>
        new ServedMemory({
          threads: this.#faultThreads,
          spec,
          pages,
          acceptTimeoutMs: this.#listenTimeoutMs + LOAD_TIMEOUT_MS,
          onFailure,
        }),
      (server) => server.stop(),
    );
  }

  #machine(
    parts: Omit<ConstructorParameters<typeof FirecrackerMachine>[0], "snapshotType">,
  ): FirecrackerMachine {
    return new FirecrackerMachine({ ...parts, snapshotType: this.#trackDirtyPages ? "Diff" : "Full" });
  }
}

/** The saved state in memory, since its file is readable for this user alone, and Firecracker opens it by a name. */
async function readState(path: string): Promise<MemoryFile> {
  const state = await readFile(path).catch((cause: unknown) => {
    throw new WrennError("not_found", `the saved state ${path} cannot be read`, { cause });
  });
  const file = MemoryFile.create("wrenn-state", state.length);
  file.write(0, state);
  file.seal();
  return file;
}

/** Command line of the process. The console is where its output goes. */
export function firecrackerArguments({ id }: Pick<MachineSpec, "id">): string[] {
  return ["--id", id, "--api-sock", INSIDE.api, "--level", "Warning", "--show-level"];
}

function assertKvm(accelerator: MachineSpec["accelerator"]): void {
  if (accelerator !== "kvm") throw new WrennError("unavailable", "Firecracker runs guests on KVM only");
}

/** Ends the machine when a step of its beginning fails, and adds its own words to the reason. */
async function orKill(
  { id }: Pick<MachineSpec, "id">,
  machine: FirecrackerMachine,
  what: string,
  step: () => Promise<void>,
): Promise<FirecrackerMachine> {
  try {
    await step();
    return machine;
  } catch (cause) {
    await machine.kill();
    const reason = WrennError.from(cause);
    const tail = (await machine.consoleTail()).trim().split("\n").slice(-5).join("\n");
    const text = `the machine of ${id} ${what}: ${reason.message}`;
    throw new WrennError(reason.code, tail ? `${text}\n${tail}` : text, { cause });
  }
}
