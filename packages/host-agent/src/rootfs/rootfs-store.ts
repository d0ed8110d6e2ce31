// The port for a sandbox's writable root file system over shared, frozen layers.
import type { DiskLayer, Machine } from "@wrenn/vmm";

/** Name of the guest's root disk inside the VMM. */
export const ROOT_DISK = "root";

/** Where the tops of one life lie. */
export interface RootfsPlace {
  /** Directory of this life's VMM. */
  dir: string;
  /** Owner of what the VMM may write. */
  uid: number;
  /** Size that the guest sees, `MiB`; at least the image's own. */
  diskMb: number;
}

export interface RootfsSpec extends RootfsPlace {
  /** Immutable image of the template. */
  imagePath: string;
  /** Frozen layers on top of it, bottom first. */
  frozen: readonly string[];
}

export interface Freeze extends RootfsPlace {
  machine: Machine;
}

/** Two adapters: `qcow2` overlays anywhere, device-mapper snapshots where the host has them. */
export interface RootfsStore {
  readonly name: string;
  /** Makes the writable top `top` in the life's directory. Returns all layers for the VMM, bottom first. */
  create(spec: RootfsSpec, top: string): Promise<DiskLayer[]>;
  /** Makes a further top ahead of a {@link freeze}, so that the machine need not stand still for it. */
  prepare(place: RootfsPlace, top: string): Promise<unknown>;
  /**
   * The machine stands still, and what its guest has written is with the host's kernel. Puts the prepared `next` on top
   * where the machine is to go on, so that the present tops are only read from then on; undefined = it will end.
   */
  freeze(freeze: Freeze, next: string | undefined): Promise<void>;
  /** Gives back what `create` took outside the life's directory; the machine has gone. Already gone is success. */
  remove(place: Pick<RootfsPlace, "dir" | "uid">): Promise<void>;
}
