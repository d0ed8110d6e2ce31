// Root file systems as qcow2 overlays: no kernel feature needed, so they work on every machine.
import { chmod, chown, copyFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";
import type { DiskLayer } from "@wrenn/vmm";
import {
  type Freeze,
  ROOT_DISK,
  type RootfsPlace,
  type RootfsSpec,
  type RootfsStore,
} from "./rootfs-store.ts";

const CREATE_TIMEOUT_MS = 10_000;

/**
 * Overlays name no backing file: the VMM is told all layers (`-blockdev`), so what a guest's VMM may have written into a
 * header is never followed. The platform itself only ever creates an overlay; it never opens one again unconfined.
 */
export class Qcow2RootfsStore implements RootfsStore {
  readonly name = "qcow2";
  readonly #blankDir: string;
  readonly #blanks = new Map<number, Promise<string>>();

  /** `blankDir` exists and is the platform's own: empty overlays are kept there, one for each size of disk. */
  constructor(blankDir: string) {
    this.#blankDir = blankDir;
  }

  async create(spec: RootfsSpec, top: string): Promise<DiskLayer[]> {
    return [
      { path: spec.imagePath, format: "raw" },
      ...spec.frozen.map((path) => ({ path, format: "qcow2" }) as const),
      await this.prepare(spec, top),
    ];
  }

  async prepare({ dir, uid, diskMb }: RootfsPlace, top: string): Promise<DiskLayer> {
    const path = join(dir, top);
    await copyFile(await this.#blank(diskMb), path);
    await chmod(path, 0o600);
    await chown(path, uid, uid);
    return { path, format: "qcow2" };
  }

  async freeze({ machine, dir }: Freeze, next: string | undefined): Promise<void> {
    if (next !== undefined) await machine.addLayer(ROOT_DISK, { path: join(dir, next), format: "qcow2" });
  }

  async remove(): Promise<void> {
    // The overlays lie in the life's directory and go with it.
  }

  /** An empty overlay of that size: the same bytes each time, so it is made once and copied. */
  #blank(diskMb: number): Promise<string> {
    let blank = this.#blanks.get(diskMb);
    if (!blank) {
      blank = makeBlank(join(this.#blankDir, `blank-${diskMb}m.qcow2`), diskMb);
      this.#blanks.set(diskMb, blank);
      blank.catch(() => this.#blanks.delete(diskMb));
    }
    return blank;
  }
}

async function makeBlank(path: string, diskMb: number): Promise<string> {
  if (await stat(path).catch(() => undefined)) return path;
  const temporary = `${path}.new`;
  await run(["qemu-img", "create", "-q", "-f", "qcow2", temporary, `${diskMb}M`], {
    timeoutMs: CREATE_TIMEOUT_MS,
  });
  await rename(temporary, path);
  return path;
}
