// Root file systems as qcow2 overlays: no kernel feature needed, so they work on every machine.
import { chmod, chown, copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { renameSynced, run, syncPath, unfinishedName } from "@wrenn/linux";
import type { DiskLayerRef } from "@wrenn/snapshot";
import type { DiskLayer } from "@wrenn/vmm";
import { assertLayersAre } from "./layer-format.ts";
import {
  type Freeze,
  NotFrozen,
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
  readonly stacks = true;
  readonly #blankDir: string;
  readonly #blanks = new Map<number, Promise<string>>();

  /** `blankDir` exists and is the platform's own: empty overlays are kept there, one for each size of disk. */
  constructor(blankDir: string) {
    this.#blankDir = blankDir;
  }

  async create(spec: RootfsSpec, top: string): Promise<DiskLayer[]> {
    await assertLayersAre("qcow2", spec.frozen);
    await this.prepare(spec, top);
    return this.#layers(spec, [top]);
  }

  async adopt(spec: RootfsSpec, tops: readonly string[]): Promise<DiskLayer[]> {
    return this.#layers(spec, tops);
  }

  async prepare({ dir, uid, diskMb }: RootfsPlace, top: string): Promise<void> {
    const path = this.path({ dir }, top);
    await copyFile(await this.#blank(diskMb), path);
    await chmod(path, 0o600);
    await chown(path, uid, uid);
  }

  async freeze({ machine, dir }: Freeze, next: string | undefined): Promise<void> {
    if (next === undefined) return;
    try {
      await machine.addLayer(ROOT_DISK, { path: this.path({ dir }, next), format: "qcow2" });
    } catch (reason) {
      // Refused before anything was tried.
      throw WrennError.from(reason).code === "capacity" ? new NotFrozen(reason) : reason;
    }
  }

  path({ dir }: Pick<RootfsPlace, "dir">, top: string): string {
    return join(dir, top);
  }

  below(layers: readonly DiskLayerRef[]): DiskLayerRef[] {
    return [...layers];
  }

  async remove(): Promise<void> {
    // The overlays lie in the life's directory and go with it.
  }

  async sweep(): Promise<string[]> {
    return [];
  }

  watch(): () => void {
    // The VMM itself tells of requests that failed.
    return () => {};
  }

  #layers({ imagePath, frozen, dir }: RootfsSpec, tops: readonly string[]): DiskLayer[] {
    const overlays = [...frozen, ...tops.map((top) => this.path({ dir }, top))];
    return [
      { path: imagePath, format: "raw" },
      ...overlays.map((path) => ({ path, format: "qcow2" }) as const),
    ];
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

/** On the disk before it has its name: an empty file under it would be the start of every sandbox with such a disk. */
async function makeBlank(path: string, diskMb: number): Promise<string> {
  if (await stat(path).catch(() => undefined)) return path;
  const temporary = unfinishedName(path);
  await run(["qemu-img", "create", "-q", "-f", "qcow2", temporary, `${diskMb}M`], {
    timeoutMs: CREATE_TIMEOUT_MS,
  });
  await syncPath(temporary);
  await renameSynced(temporary, path);
  return path;
}
