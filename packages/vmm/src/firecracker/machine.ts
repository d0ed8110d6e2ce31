// A Firecracker process as the port's machine.
import { open, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { type Cgroup, kill, type ProcessIdentity, removeDeviceNodes, waitForExit } from "@wrenn/linux";
import { readConsoleTail } from "../console.ts";
import { carryOut } from "../saved-file.ts";
import type { GuestMemory, Machine, MachineExit, MachineSpec, MemoryArrival } from "../vmm.ts";
import type { FirecrackerApi } from "./api/client.ts";
import type { ApiRequest } from "./api/operations.ts";
import { onlyLayer } from "./boot.ts";
import { apiSocket, INSIDE, PICTURE_PATH } from "./layout.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import type { ServedMemory } from "./served-memory.ts";

/** SIGKILL is immediate; what takes time is the kernel freeing the guest's memory, more so on a busy machine. */
const KILL_TIMEOUT_MS = 10_000;
/** Written are processors, devices and the memory that has changed. */
const SAVE_TIMEOUT_MS = 120_000;
/** Waits for the virtual processors. */
const PAUSE_TIMEOUT_MS = 60_000;

export interface FirecrackerMachineOptions {
  spec: MachineSpec;
  cgroup: Cgroup;
  process: ProcessIdentity;
  exited: Promise<MachineExit>;
  api: FirecrackerApi;
  picture: MemoryPicture;
  /** Of a machine whose memory arrives while it runs. */
  served?: ServedMemory | undefined;
  /** `Diff` needs a machine whose written pages are tracked. */
  snapshotType: "Full" | "Diff";
}

export class FirecrackerMachine implements Machine {
  readonly process: ProcessIdentity;
  readonly exited: Promise<MachineExit>;
  readonly memory: GuestMemory;
  readonly arrival: MemoryArrival | undefined;
  readonly #options: FirecrackerMachineOptions;

  constructor(options: FirecrackerMachineOptions) {
    this.#options = options;
    this.process = options.process;
    this.exited = options.exited;
    this.memory = options.picture.asMemory(options.spec.id);
    this.arrival = options.served?.arrival;
    void options.exited.then(() => {
      options.picture.close();
      // Awaited by whoever ends the machine.
      options.served?.stop().catch(() => {});
    });
  }

  async pause(): Promise<void> {
    await this.send({ operation: "vm", body: { state: "Paused" } }, PAUSE_TIMEOUT_MS);
    await this.assertStandsStill();
    await this.#flushDisks();
  }

  async resume(): Promise<void> {
    this.#options.picture.outdated();
    await this.send({ operation: "vm", body: { state: "Resumed" } });
  }

  async saveDevices(path: string): Promise<void> {
    await this.assertStandsStill();
    const { spec, picture, snapshotType } = this.#options;
    const from = join(spec.dir, basename(INSIDE.deviceState));
    await rm(from, { force: true });
    await this.send(
      {
        operation: "createSnapshot",
        body: {
          snapshot_type: snapshotType,
          snapshot_path: INSIDE.deviceState,
          mem_file_path: PICTURE_PATH,
        },
      },
      SAVE_TIMEOUT_MS,
    );
    await carryOut({ from, to: path, vmm: "Firecracker" });
    picture.taken();
  }

  async addLayer(): Promise<void> {
    throw new WrennError("not_implemented", "Firecracker's disks have no layers");
  }

  onDiskError(): void {
    // Firecracker tells the guest alone. A disk of the device mapper that is lost is seen by the host itself.
  }

  consoleTail(): Promise<string> {
    return readConsoleTail(join(this.#options.spec.dir, "console.log"));
  }

  async kill(): Promise<void> {
    const { spec, cgroup, picture, served } = this.#options;
    kill(this.process, "SIGKILL");
    if (!(await waitForExit(this.process, KILL_TIMEOUT_MS))) {
      const { pid } = this.process;
      throw new WrennError("internal", `the virtual machine of ${spec.id} (process ${pid}) does not end`);
    }
    picture.close();
    await cgroup.kill();
    await cgroup.remove();
    removeDeviceNodes(spec.uid);
    // Last, since these may fail: a read of saved memory may hang, and a VMM that was taken over may have put anything in
    // its socket's place.
    await rm(apiSocket(spec), { recursive: true, force: true });
    await served?.stop();
  }

  /** Makes a call of its API. */
  async send(request: ApiRequest, timeoutMs?: number): Promise<void> {
    await this.#options.api.send(request, timeoutMs === undefined ? {} : { timeoutMs });
  }

  /** Throws `invalid_state` unless the virtual processors are stopped. */
  async assertStandsStill(): Promise<void> {
    const { state } = await this.#options.api.send({ operation: "describe", body: undefined });
    if (state !== "Paused") {
      throw new WrennError(
        "invalid_state",
        `the machine of ${this.#options.spec.id} is ${state.toLowerCase()}, not paused`,
      );
    }
  }

  /** Firecracker writes disks through the host's cache: below a device, the layer that is frozen sees only what left it. */
  async #flushDisks(): Promise<void> {
    for (const disk of this.#options.spec.disks) {
      if (disk.readOnly) continue;
      await using file = await open(onlyLayer(disk).path, "r");
      await file.sync();
    }
  }
}
