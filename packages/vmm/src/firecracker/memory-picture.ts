// A machine's memory as Firecracker itself writes it, in the same moment as its devices. Firecracker goes on serving its
// devices while the virtual processors stand still (a packet may arrive), so reading its memory from outside would give
// another moment than the devices' state.
import { MIB, WrennError } from "@wrenn/core";
import { MemoryFile } from "@wrenn/linux";
import type { GuestMemory } from "../vmm.ts";

/**
 * A memory file that the machine's process inherits. Snapshots of the kind `Diff` are written over each other in it, so it
 * holds every page that was written since the machine was started, also when what was made of an earlier one got lost.
 */
export class MemoryPicture {
  readonly file: MemoryFile;
  #taken = false;

  private constructor(file: MemoryFile) {
    this.file = file;
  }

  static create(memoryMb: number): MemoryPicture {
    const file = MemoryFile.create("wrenn-picture", memoryMb * MIB);
    // Firecracker would cut a file of another size to nothing first; a VMM that was taken over shall not do so.
    file.fixSize();
    return new MemoryPicture(file);
  }

  /** That of a machine which another process has started. Throws `not_found`. */
  static openOf(pid: number, fd: number, memoryMb: number): MemoryPicture {
    return new MemoryPicture(MemoryFile.openOf(pid, fd, memoryMb * MIB));
  }

  /** From now on it shows the machine, until {@link outdated}. */
  taken(): void {
    this.#taken = true;
  }

  outdated(): void {
    this.#taken = false;
  }

  close(): void {
    this.#taken = false;
    this.file.close();
  }

  /** As the port shows it. It cannot be written: Firecracker loads memory and devices in one step. */
  asMemory(id: string): GuestMemory {
    const shown = () => {
      if (this.#taken) return this.file;
      throw new WrennError("invalid_state", `the machine of ${id} was not saved since it ran`);
    };
    return {
      bytes: this.file.bytes,
      privatePages: async () => shown().heldPages(),
      read: (offset, into) => shown().read(offset, into),
      write: () => {
        throw new WrennError("not_implemented", "Firecracker's memory cannot be written from outside");
      },
    };
  }
}
