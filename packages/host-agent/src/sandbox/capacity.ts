// How much this machine may promise to sandboxes.
import { WrennError } from "@wrenn/core";

/** What a VMM costs beside the guest's memory, `MiB`: translation cache, QEMU itself, buffers. */
export const VMM_OVERHEAD_MB = 256;

export interface CapacityLimits {
  maxSandboxes: number;
  /** Memory for all sandboxes together, `MiB`, overheads included. */
  memoryMb: number;
}

/** Counts promises. A reservation is made before anything is taken and is given back exactly once. */
export class Capacity {
  readonly limits: CapacityLimits;
  #sandboxes = 0;
  #memoryMb = 0;

  constructor(limits: CapacityLimits) {
    this.limits = limits;
  }

  /** Memory that can still be promised, `MiB`. */
  get freeMb(): number {
    return this.limits.memoryMb - this.#memoryMb;
  }

  /** Reserves one sandbox. Throws `capacity` when the machine is full; returns how to give it back. */
  reserve(memoryMb: number): () => void {
    const needed = memoryMb + VMM_OVERHEAD_MB;
    if (this.#sandboxes >= this.limits.maxSandboxes) {
      throw new WrennError(
        "capacity",
        `this host runs ${this.#sandboxes} sandboxes, its limit; delete one or try again later`,
        { retryAfterSec: 5 },
      );
    }
    if (needed > this.freeMb) {
      throw new WrennError(
        "capacity",
        `${memoryMb} MiB do not fit: this host has ${Math.max(0, this.freeMb - VMM_OVERHEAD_MB)} MiB left for sandboxes`,
        { retryAfterSec: 5 },
      );
    }
    return this.take(memoryMb);
  }

  /** The same for one that runs already, beyond the limits if need be. */
  take(memoryMb: number): () => void {
    const needed = memoryMb + VMM_OVERHEAD_MB;
    this.#sandboxes++;
    this.#memoryMb += needed;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#sandboxes--;
      this.#memoryMb -= needed;
    };
  }
}
