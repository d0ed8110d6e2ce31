// Whether the files of snapshots still hold what was written to them, asked when they are read.
import { stat } from "node:fs/promises";
import type { DiskLayerRef, SnapshotFile } from "../manifest/manifest.ts";
import type { PageMap } from "../mapping/page-map.ts";
import { fileSum, readThrough } from "../pages/file-sum.ts";
import { type Piece, visitPages } from "../pages/visit-pages.ts";
import { damaged, readFailure } from "./damage.ts";
import type { Inventory } from "./inventory.ts";

/**
 * All of them throw `snapshot_damaged` for the first file that has gone or changed. Whoever asks holds the snapshots. See
 * docs/decisions/0023-damaged-snapshots.md for what is asked when.
 */
export class WrittenFiles {
  readonly #inventory: Inventory;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  /** Visits all pages of a map, see {@link visitPages}. */
  async visit(map: PageMap, visitor: (piece: Piece) => void, signal?: AbortSignal): Promise<void> {
    await visitPages(map, (build, look) => this.#readBuild(build, look, signal), visitor);
  }

  /** The whole memory of these builds. */
  async assertPages(builds: Iterable<string>, signal?: AbortSignal): Promise<void> {
    for (const build of builds) await this.#readBuild(build, undefined, signal);
  }

  async assertDevices(id: string, signal?: AbortSignal): Promise<void> {
    const written = this.#inventory.filesOf(id)?.devices;
    await this.#read({
      id,
      name: "devices",
      path: this.#inventory.layout.file(id, "devices"),
      written,
      signal,
    });
  }

  /**
   * That a disk's layers are there and have their lengths: their contents are not read. One whose manifest was lost may have
   * any length: nobody knows better, and a sandbox that was booted from it goes on using it.
   */
  async assertLengths(disk: readonly DiskLayerRef[]): Promise<void> {
    for (const layer of disk) {
      if (layer.kind === "image") continue;
      const { id, index } = layer;
      const name = `disk ${index}`;
      const { size } = await stat(this.#inventory.layout.disk(id, index)).catch((reason: unknown) => {
        throw readFailure(reason, id, name);
      });
      const written = this.#inventory.filesOf(id)?.disks[index];
      if (written && size !== written.bytes) throw changed(id, name);
    }
  }

  /** Every file of one snapshot, its disk's layers too, but nothing of others. */
  async assertOwn(id: string, signal?: AbortSignal): Promise<void> {
    const { layout } = this.#inventory;
    const files = this.#inventory.filesOf(id);
    if (!files) throw unknown(id, "its manifest");
    const { disks, ...others } = files;
    for (const name of ["memory", "header", "devices"] as const)
      await this.#read({ id, name, path: layout.file(id, name), written: others[name], signal });
    for (const [index, written] of disks.entries())
      await this.#read({ id, name: `disk ${index}`, path: layout.disk(id, index), written, signal });
  }

  async #readBuild(build: string, look: Look | undefined, signal: AbortSignal | undefined): Promise<void> {
    const path = this.#inventory.layout.file(build, "memory");
    const written = this.#inventory.filesOf(build)?.memory;
    await this.#read({ id: build, name: "memory", path, written, signal }, look);
  }

  async #read({ id, name, path, written, signal }: Reading, look?: Look): Promise<void> {
    if (!written) throw unknown(id, name);
    let looking = false;
    const show = (piece: Buffer, at: number) => {
      looking = true;
      look?.(piece, at);
      looking = false;
    };
    const reading = look ? readThrough(path, show, signal) : fileSum(path, signal);
    const found = await reading.catch((reason: unknown) => {
      // The memory of a machine that has died fails to be written with EIO, too.
      throw looking ? reason : readFailure(reason, id, name);
    });
    if (found.bytes !== written.bytes || found.crc32 !== written.crc32) throw changed(id, name);
  }
}

type Look = (piece: Buffer, at: number) => void;

interface Reading {
  id: string;
  name: string;
  path: string;
  /** Undefined: nobody knows any more. */
  written: SnapshotFile | undefined;
  signal: AbortSignal | undefined;
}

function changed(id: string, name: string) {
  return damaged(id, `${name} is not what was written`);
}

function unknown(id: string, name: string) {
  return damaged(id, `what was written to ${name} is not known any more`);
}
