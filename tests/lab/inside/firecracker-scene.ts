// Machines of a real Firecracker for the tests in this folder: each with a directory, a disk and a user of its own.
import assert from "node:assert/strict";
import { chmod, chown, copyFile, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "@wrenn/core";
import { detectCgroups, MemoryFile } from "@wrenn/linux";
import { kernelCommandLine, tscKhz } from "@wrenn/template";
import { FirecrackerVmm, inspectFirecracker, type Machine, type MachineSpec, PAGE_BYTES } from "@wrenn/vmm";
import { INSIDE } from "../../../lab/layout.ts";
import type { FirecrackerOptions } from "../../../packages/vmm/src/firecracker/driver.ts";
import { DISK_BYTES, makeMachineDir } from "../../vmm/guest.ts";

const DIR = `${INSIDE.tests}/firecracker`;
const GROUP = "fc-lab";
const FIRST_UID = 1_999_990_000;
export const MEMORY_MB = 192;

/** A machine's state in a file, and the whole of its memory in a sealed image, which is the caller's to close. */
export interface SavedMachine {
  devicesPath: string;
  image: MemoryFile;
  /** How many pages the machine's own picture of its memory had. */
  pages: number;
  savedMs: number;
}

export class FirecrackerScene {
  readonly dir: string = DIR;
  /** All that were started; a test that fails leaves them to {@link close}. */
  readonly machines: Machine[] = [];
  readonly #cgroups = detectCgroups();
  readonly #commandLine: string;
  #count = 0;

  private constructor(commandLine: string) {
    this.#commandLine = commandLine;
  }

  static async open(): Promise<FirecrackerScene> {
    await mkdir(DIR, { recursive: true, mode: 0o755 });
    await copyFile(`${INSIDE.tests}/checking-initramfs`, join(DIR, "initramfs"));
    await chmod(join(DIR, "initramfs"), 0o644);
    return new FirecrackerScene(kernelCommandLine({ tscKhz: await tscKhz() }));
  }

  async vmm(options: Partial<FirecrackerOptions> = {}): Promise<FirecrackerVmm> {
    const binary = await inspectFirecracker(INSIDE.firecracker);
    return new FirecrackerVmm({ cgroups: this.#cgroups, binary, ...options });
  }

  /** Notes a machine, which {@link close} ends if nobody else has. */
  watch(machine: Machine): Machine {
    this.machines.push(machine);
    return machine;
  }

  /** A machine that was not there before, with a disk of its own: an empty one, or a copy of another's. */
  async place(from?: MachineSpec): Promise<MachineSpec> {
    const id = `fc-${this.#count++}`;
    const disk = join(DIR, `${id}.disk`);
    const spec: MachineSpec = {
      id,
      vcpus: 1,
      memoryMb: MEMORY_MB,
      accelerator: "kvm",
      kernel: `${INSIDE.store}/guest/kernel`,
      initramfs: join(DIR, "initramfs"),
      commandLine: this.#commandLine,
      disks: [{ id: "root", layers: [{ path: disk, format: "raw" }], readOnly: false }],
      net: undefined,
      uid: FIRST_UID + this.#count,
      dir: join(DIR, id),
      cgroup: `${GROUP}/${id}`,
      maxFileBytes: 2 * DISK_BYTES,
    };
    await makeMachineDir(spec);
    const source = from?.disks[0]?.layers[0]?.path;
    if (source === undefined) {
      await writeFile(disk, "");
      await truncate(disk, DISK_BYTES);
    } else await copyFile(source, disk);
    await chown(disk, spec.uid, spec.uid);
    return spec;
  }

  /** Saves a machine that stands still. What its picture of the memory lacks comes from `base`. */
  async save(spec: MachineSpec, machine: Machine, base?: MemoryFile): Promise<SavedMachine> {
    const devicesPath = join(DIR, `${spec.id}.${this.#count++}.state`);
    const began = performance.now();
    await machine.saveDevices(devicesPath);
    const savedMs = performance.now() - began;
    const pages = await machine.memory.privatePages();
    const image = MemoryFile.create("wrenn-test", MEMORY_MB * MIB);
    const buffer = Buffer.alloc(PAGE_BYTES);
    for (const [from, list] of [
      [base, base?.heldPages() ?? []],
      [machine.memory, pages],
    ] as const) {
      for (const page of list) {
        from?.read(page * PAGE_BYTES, buffer);
        image.write(page * PAGE_BYTES, buffer);
      }
    }
    image.seal();
    return { devicesPath, image, pages: pages.length, savedMs };
  }

  /** Names of the control groups that are there. */
  groups(): string[] {
    return this.#cgroups.list(GROUP);
  }

  async close(): Promise<void> {
    for (const machine of this.machines) await machine.kill();
    assert.deepEqual(this.groups(), [], "no cgroup is left");
    await this.#cgroups.open(GROUP).remove();
    await rm(DIR, { recursive: true });
  }
}
