// The port for a sandbox's writable root file system over a shared, read-only image.
import type { DiskLayer } from "@wrenn/vmm";

export interface RootfsSpec {
  /** Immutable image of the template. */
  imagePath: string;
  /** Directory of this sandbox's VMM. */
  dir: string;
  /** Owner of what the VMM may write. */
  uid: number;
  /** Size that the guest sees, `MiB`; at least the image's own. */
  diskMb: number;
}

/** Two adapters: `qcow2` overlays anywhere, device-mapper snapshots where the host has them. */
export interface RootfsStore {
  readonly name: string;
  /** Makes the private layer. Returns all layers, bottom first. */
  create(spec: RootfsSpec): Promise<DiskLayer[]>;
  /** Gives back what `create` took outside the sandbox's directory. Succeeds when it is already gone. */
  remove(spec: Pick<RootfsSpec, "dir">): Promise<void>;
}
