// Root file systems as qcow2 overlays: no kernel feature needed, so they work on every machine.
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";
import type { DiskLayer } from "@wrenn/vmm";
import type { RootfsSpec, RootfsStore } from "./rootfs-store.ts";

const CREATE_TIMEOUT_MS = 10_000;

/**
 * The overlay names no backing file: the VMM is told all layers (`-blockdev`), so what a guest's VMM may have written
 * into a header is never followed. The platform itself only ever creates an overlay; it never opens one again.
 */
export class Qcow2RootfsStore implements RootfsStore {
  readonly name = "qcow2";

  async create(spec: RootfsSpec): Promise<DiskLayer[]> {
    const overlay = join(spec.dir, "root.qcow2");
    await run(["qemu-img", "create", "-q", "-f", "qcow2", overlay, `${spec.diskMb}M`], {
      timeoutMs: CREATE_TIMEOUT_MS,
    });
    await chmod(overlay, 0o600);
    await chown(overlay, spec.uid, spec.uid);
    return [
      { path: spec.imagePath, format: "raw" },
      { path: overlay, format: "qcow2" },
    ];
  }

  async remove(): Promise<void> {
    // The overlay lies in the sandbox's directory and goes with it.
  }
}
