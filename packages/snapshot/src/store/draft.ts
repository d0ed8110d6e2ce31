// A snapshot that is being made: it appears whole, under its id, or not at all.
import { access, chmod, chown, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { faultPoint, syncPath, writeSynced } from "@wrenn/linux";
import { encodeHeader } from "../header/header.ts";
import {
  checkManifest,
  type Manifest,
  manifestText,
  type SnapshotFacts,
  type SnapshotFile,
} from "../manifest/manifest.ts";
import { merge } from "../mapping/merge.ts";
import type { PageMap } from "../mapping/page-map.ts";
import { copyPages } from "../pages/copy-pages.ts";
import { fileSum } from "../pages/file-sum.ts";
import { PageFile } from "../pages/page-file.ts";
import type { PageSource } from "../pages/page-source.ts";
import { type ReadableMemory, type StoredPages, storePages } from "../pages/store-pages.ts";
import { diskFile, FILES, type StoreLayout } from "./layout.ts";
import type { Snapshot } from "./store.ts";
import { copyWorkingSet } from "./working-set-file.ts";
import { writeFailure } from "./write-failure.ts";

export type Lineage = Pick<Manifest, "parent" | "base" | "replaces" | "generation" | "memoryMb">;

export interface DraftOptions {
  id: string;
  layout: StoreLayout;
  parent: PageSource;
  lineage: Lineage;
  onCommit: (manifest: Manifest, map: PageMap) => Snapshot;
  /** Given back when the draft is disposed of. */
  holds: Disposable;
}

/**
 * The order: {@link storePages} and the devices while the machine stands still, the disk layer once nobody writes to it
 * any more, then {@link commit}, which is where the waiting for the disk happens. Disposing of the draft removes what was
 * not committed; until then nothing collects the new snapshot, so dispose of it after its id is on record.
 */
export class Draft implements AsyncDisposable {
  readonly id: string;
  readonly dir: string;
  /** To be written by the VMM, see `Machine.saveDevices`. */
  readonly devicesPath: string;
  readonly #options: DraftOptions;
  readonly #file: PageFile;
  #filled = false;
  #map: PageMap | undefined;
  #state: "open" | "committed" | "closed" = "open";

  static async create(options: DraftOptions): Promise<Draft> {
    const dir = options.layout.newDir(options.id);
    try {
      await mkdir(dir, { mode: 0o700 });
      return new Draft(options, dir, await PageFile.create(join(dir, FILES.memory)));
    } catch (reason) {
      await rm(dir, { recursive: true, force: true });
      options.holds[Symbol.dispose]();
      throw writeFailure(reason, "cannot begin a snapshot");
    }
  }

  private constructor(options: DraftOptions, dir: string, file: PageFile) {
    this.id = options.id;
    this.dir = dir;
    this.devicesPath = join(dir, FILES.devices);
    this.#options = options;
    this.#file = file;
  }

  /**
   * Where the disk's frozen layers above those of `facts.disk` are put, by rename or link, bottom first from 0 on; none
   * is as good as several.
   */
  diskPath(index: number): string {
    return join(this.dir, diskFile(index));
  }

  /**
   * Stores those of the given pages that differ from the parent. The memory must stand still until this resolves;
   * nothing is waited for on the disk. Once for each draft. `flushAhead` for a machine that does not go on.
   */
  async storePages(
    memory: ReadableMemory,
    pages: Uint32Array,
    { signal, flushAhead = false }: { signal?: AbortSignal | undefined; flushAhead?: boolean } = {},
  ): Promise<StoredPages> {
    const { parent } = this.#options;
    this.#file.flushesAhead = flushAhead;
    return this.#fill(async () => {
      const options = { build: this.id, parent, pages, memory, file: this.#file, signal };
      const { diff, counts } = await storePages(options);
      await this.#file.settle();
      faultPoint("snapshot-pages-stored");
      return { map: merge(parent.map, diff), result: counts };
    });
  }

  /** Instead of {@link storePages}, for a snapshot that replaces another: copies what that has in the given builds. */
  async copyPages(
    builds: ReadonlySet<string>,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { parent } = this.#options;
    await this.#fill(async () => {
      const map = await copyPages({ build: this.id, source: parent, builds, file: this.#file, signal });
      await this.#file.settle();
      return { map, result: undefined };
    });
  }

  /**
   * Brings everything to the disk and gives it its name. `facts.disk` are the layers below the draft's own.
   * When it throws nothing was published, and the draft can only be disposed of.
   */
  async commit(facts: SnapshotFacts): Promise<Snapshot> {
    const map = this.#map;
    if (!map || this.#state !== "open")
      throw misuse("a snapshot is committed once, after its pages were stored");
    this.#state = "closed";
    try {
      const { id, layout, lineage, onCommit } = this.#options;
      const { generation, base } = lineage;
      const model = lineage.replaces ?? lineage.parent;
      // It is asked for by the base.
      if (model && base === null)
        await copyWorkingSet(layout.file(model, "workingSet"), join(this.dir, FILES.workingSet));
      const files = await this.#settle(encodeHeader({ generation, build: id, base, map }));
      faultPoint("snapshot-files-synced");
      const own = files.disks.map((_, index) => ({ kind: "snapshot" as const, id, index }));
      const disk = [...facts.disk, ...own];
      const builds = [...map.builds];
      const manifest = checkManifest({ version: 1, id, ...lineage, ...facts, disk, builds, files });
      await writeSynced(join(this.dir, FILES.manifest), manifestText(manifest));
      await syncPath(this.dir);
      faultPoint("snapshot-manifest-written");
      await rename(this.dir, layout.dir(id));
      await syncPath(layout.root).catch(async (reason: unknown) => {
        // Whoever asked is told that it failed, so the next process must not find it.
        await rename(layout.dir(id), this.dir);
        throw reason;
      });
      this.#state = "committed";
      faultPoint("snapshot-published");
      return onCommit(manifest, map);
    } catch (reason) {
      throw writeFailure(reason, "cannot save a snapshot");
    }
  }

  /** Removes what was not committed. */
  async abort(): Promise<void> {
    try {
      await this.#file[Symbol.asyncDispose]();
      if (this.#state !== "committed") await rm(this.dir, { recursive: true, force: true });
    } finally {
      this.#options.holds[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  /** Takes the map of what was filled in; once. */
  async #fill<T>(work: () => Promise<{ map: PageMap; result: T }>): Promise<T> {
    if (this.#filled || this.#state !== "open") throw misuse("pages are stored once");
    this.#filled = true;
    try {
      const { map, result } = await work();
      this.#map = map;
      return result;
    } catch (reason) {
      throw writeFailure(reason, "cannot store a machine's memory");
    }
  }

  /** Files that are complete: owned by this process's user, read-only, on the disk. */
  async #settle(encodedHeader: Uint8Array): Promise<Manifest["files"]> {
    const layers = await this.#ownLayers();
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const settle = async (path: string, mode: number): Promise<SnapshotFile> => {
      await chown(path, own.uid, own.gid);
      await chmod(path, mode);
      const [sum] = await Promise.all([fileSum(path), syncPath(path)]);
      return sum;
    };
    const [memory, header, devices, disks] = await Promise.all([
      this.#file.settle(),
      this.#writeHeader(encodedHeader),
      settle(this.devicesPath, 0o400),
      // VMMs of other users read it; the directory above keeps everybody else out.
      Promise.all(layers.map((path) => settle(path, 0o444))),
      this.#file.sync(),
    ]);
    return { memory, header, devices, disks };
  }

  async #writeHeader(encoded: Uint8Array): Promise<SnapshotFile> {
    await writeSynced(join(this.dir, FILES.header), encoded);
    return { bytes: encoded.length, crc32: crc32(encoded) };
  }

  async #ownLayers(): Promise<string[]> {
    const paths: string[] = [];
    while (await exists(this.diskPath(paths.length))) paths.push(this.diskPath(paths.length));
    return paths;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function misuse(what: string): WrennError {
  return new WrennError("internal", `wrong use of a snapshot draft: ${what}`);
}
