// A QEMU process as the port's machine.
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { MIB, WrennError } from "@wrenn/core";
import {
  type Cgroup,
  kill,
  type ProcessIdentity,
  type ProcessMemory,
  removeDeviceNodes,
  waitForExit,
} from "@wrenn/linux";
import { readConsoleTail } from "../console.ts";
import type { DiskLayer, GuestMemory, Machine, MachineExit, MachineSpec, MemoryArrival } from "../vmm.ts";
import { INSIDE, insideDir } from "./arguments.ts";
import { saveDeviceState } from "./device-state.ts";
import { addDiskLayer, diskErrorOf } from "./disks.ts";
import { openGuestMemory } from "./guest-memory.ts";
import { loadDeviceState } from "./incoming.ts";
import { loadLazily } from "./postcopy/load.ts";
import type { SourceThread } from "./postcopy/source-thread.ts";
import type { QmpSession } from "./session.ts";

/** SIGKILL is immediate; what takes time is the kernel freeing the guest's memory, more so on a busy machine. */
const KILL_TIMEOUT_MS = 10_000;
/** Stopping waits for requests under way and flushes every disk to the host's. */
const STOP_TIMEOUT_MS = 60_000;

/**
 * Name of a machine's control socket: beside its directory, not in it, where its VMM could put another machine's
 * socket in its place and have commands sent there.
 */
export function controlSocket(spec: Pick<MachineSpec, "dir">): string {
  return `${spec.dir}.qmp`;
}

export interface QemuMachineOptions {
  spec: MachineSpec;
  cgroup: Cgroup;
  process: ProcessIdentity;
  exited: Promise<MachineExit>;
  session: QmpSession;
  /** The process's number of the descriptor that holds the saved state it waits for. */
  devicesFd?: number | undefined;
  /** What its memory arrives from; that descriptor leads there then. It ends with the machine. */
  source?: SourceThread | undefined;
}

export class QemuMachine implements Machine {
  readonly process: ProcessIdentity;
  readonly exited: Promise<MachineExit>;
  readonly memory: GuestMemory;
  readonly arrival: MemoryArrival | undefined;
  readonly #spec: MachineSpec;
  readonly #cgroup: Cgroup;
  readonly #session: QmpSession;
  #opening: Promise<ProcessMemory> | undefined;
  #opened: ProcessMemory | undefined;
  #gone = false;
  readonly #devicesFd: number | undefined;
  readonly #source: SourceThread | undefined;

  constructor({ spec, cgroup, process, exited, session, devicesFd, source }: QemuMachineOptions) {
    this.#spec = spec;
    this.#cgroup = cgroup;
    this.process = process;
    this.exited = exited;
    this.#session = session;
    this.#devicesFd = devicesFd;
    this.#source = source;
    this.arrival = source;
    this.memory = this.#guestMemory();
    // A guest whose memory will never come would wait for ever.
    source?.complete.catch(() => kill(process, "SIGKILL"));
    void exited.then(() => this.#giveBack());
  }

  async pause(): Promise<void> {
    await this.#session.execute("stop", undefined, { timeoutMs: STOP_TIMEOUT_MS });
    await this.assertStandsStill();
    await this.openMemory();
  }

  async resume(): Promise<void> {
    await this.#session.execute("cont");
  }

  async saveDevices(path: string): Promise<void> {
    await this.assertStandsStill();
    await saveDeviceState(this.#session, { dir: this.#spec.dir, path });
  }

  async addLayer(diskId: string, { path, format }: DiskLayer): Promise<void> {
    const filename = insideDir(this.#spec, path);
    if (filename === undefined) {
      throw new WrennError("invalid_argument", `${path} is not in the machine's own directory`);
    }
    await addDiskLayer(this.#session, diskId, { filename, format });
  }

  onDiskError(listener: (error: { diskId: string; enospc: boolean }) => void): void {
    this.#session.on("event", (name, data) => {
      const error = name === "BLOCK_IO_ERROR" ? diskErrorOf(data, this.#spec.dir) : undefined;
      if (error) listener(error);
    });
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
    this.#giveBack();
    await this.#cgroup.kill();
    await this.#cgroup.remove();
    removeDeviceNodes(this.#spec.uid);
    await rm(controlSocket(this.#spec), { force: true });
    // Last, since its thread may hang in a read of saved memory.
    await this.#source?.stop();
  }

  /** Makes {@link memory} usable; once is enough. */
  async openMemory(): Promise<void> {
    this.#opening ??= openGuestMemory(this.#session, this.process, this.#spec.memoryMb);
    try {
      const opened = await this.#opening;
      this.#opened = opened;
      if (this.#gone) opened.close();
    } catch (reason) {
      this.#opening = undefined;
      throw reason;
    }
  }

  /**
   * Loads the saved state that the process was started for; its memory must be complete by now, or come from its source.
   */
  async load(): Promise<void> {
    if (this.#devicesFd === undefined)
      throw new WrennError("internal", "the machine waits for no saved state");
    if (this.#source) await loadLazily(this.#session, this.#devicesFd, this.#source);
    else await loadDeviceState(this.#session, this.#devicesFd);
    await this.assertStandsStill();
  }

  /** Throws `invalid_state` unless the virtual processors are stopped. */
  async assertStandsStill(): Promise<void> {
    const { status } = await this.#session.execute<{ status: string }>("query-status");
    if (status !== "paused") {
      throw new WrennError("invalid_state", `the machine of ${this.#spec.id} is ${status}, not paused`);
    }
  }

  #guestMemory(): GuestMemory {
    const opened = () => {
      if (this.#opened) return this.#opened;
      throw new WrennError("invalid_state", `the machine of ${this.#spec.id} was not paused yet`);
    };
    return {
      bytes: this.#spec.memoryMb * MIB,
      privatePages: async () => await opened().privatePages(),
      read: (offset, into) => opened().read(offset, into),
      write: (offset, from) => opened().write(offset, from),
    };
  }

  #giveBack(): void {
    this.#gone = true;
    this.#source?.stop().catch(() => {}); // whoever kills it waits for that, and is told
    this.#session.close();
    this.#opened?.close();
  }
}
