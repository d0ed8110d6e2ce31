// Keeping a machine that stands still, in the simplest way there is: a memory image, the devices, the frozen disk.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "@wrenn/core";
import { MemoryFile } from "@wrenn/linux";
import { type Disk, type Machine, type MachineSpec, PAGE_BYTES, type SavedState } from "@wrenn/vmm";

export interface Kept extends Disposable {
  image: MemoryFile;
  devicesPath: string;
  /** Frozen from now on. */
  layers: Disk["layers"];
}

/** A sealed image of all its memory, for machines without a source of their own or whose source is `below`. */
export async function keep(machine: Machine, spec: MachineSpec, below?: MemoryFile): Promise<Kept> {
  const image = MemoryFile.create("wrenn-test", spec.memoryMb * MIB);
  const page = Buffer.alloc(PAGE_BYTES);
  if (below) copyAll(below, image);
  for (const number of await machine.memory.privatePages()) {
    machine.memory.read(number * PAGE_BYTES, page);
    image.write(number * PAGE_BYTES, page);
  }
  image.seal();
  const devicesPath = join(spec.dir, "..", "devices");
  await rm(devicesPath, { force: true });
  await machine.saveDevices(devicesPath);
  const layers = spec.disks[0]?.layers ?? [];
  return { image, devicesPath, layers, [Symbol.dispose]: () => image.close() };
}

/** The pages that a machine has written since it started from its image, to be written into another one. */
export async function privateContent(machine: Machine): Promise<Map<number, Buffer>> {
  const content = new Map<number, Buffer>();
  for (const number of await machine.memory.privatePages()) {
    const page = Buffer.alloc(PAGE_BYTES);
    machine.memory.read(number * PAGE_BYTES, page);
    content.set(number, page);
  }
  return content;
}

export function fillWith(content: ReadonlyMap<number, Buffer>): NonNullable<SavedState["fillMemory"]> {
  return async (memory) => {
    for (const [number, page] of content) memory.write(number * PAGE_BYTES, page);
  };
}

function copyAll(from: MemoryFile, to: MemoryFile): void {
  const chunk = Buffer.alloc(MIB);
  for (let offset = 0; offset < from.bytes; offset += chunk.length) {
    from.read(offset, chunk);
    to.write(offset, chunk);
  }
}
