// The port for a sandbox's writable root file system over shared, frozen layers.
import type { DiskLayerRef } from "@wrenn/snapshot";
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

/** A freeze that failed with nothing changed, and why: `next` is not used by any machine. */
export class NotFrozen extends Error {
  constructor(cause: unknown) {
    super("the disk was not frozen", { cause });
  }
}

export interface Freeze extends RootfsPlace {
  machine: Machine;
}

/**
 * Two adapters: `qcow2` overlays anywhere, device-mapper snapshots where the host has them. A *top* is a file that holds
 * what one life has written; freezing makes it a layer of a snapshot.
 */
export interface RootfsStore {
  readonly name: "qcow2" | "dm";
  /** Whether a top has only what its own life has written, so that those below it are needed too; else one has it all. */
  readonly stacks: boolean;
  /** Makes the writable top `top`. Returns all layers for the VMM, bottom first. */
  create(spec: RootfsSpec, top: string): Promise<DiskLayer[]>;
  /** What {@link create} returned to an earlier process for a machine that still runs, with the tops that it may have. */
  adopt(spec: RootfsSpec, tops: readonly string[]): Promise<DiskLayer[]>;
  /** Makes a further top ahead of a {@link freeze}, so that the machine need not stand still for it. */
  prepare(place: RootfsPlace, top: string): Promise<void>;
  /**
   * The machine stands still, and what its guest has written is with the host's kernel. Afterwards the present tops hold
   * all of it and do not change any more; a machine that is to go on writes to the prepared `next`, undefined = it will end.
   * Throws {@link NotFrozen} when nothing has changed by it; after any other failure either of the two is the top.
   */
  freeze(freeze: Freeze, next: string | undefined): Promise<void>;
  /** The file of a top. */
  path(place: Pick<RootfsPlace, "dir">, top: string): string;
  /** Those of the frozen layers below that a disk still needs once its tops are frozen. */
  below(layers: readonly DiskLayerRef[]): DiskLayerRef[];
  /** Gives back all that the life's disk holds; the machine has gone. Already gone is success. */
  remove(place: Pick<RootfsPlace, "dir">): Promise<void>;
  /** Removes what earlier processes of this block have left and nobody has adopted. Returns what that was. */
  sweep(): Promise<string[]>;
  /** Tells of each life whose disk is lost, until the returned function is called. */
  watch(onLost: (dir: string, reason: string) => void): () => void;
}
