// The snapshots of one machine: what is there, what is being made, what may go.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type LazyPagesRef, MIB, type PageRange, WrennError } from "@wrenn/core";
import { decodeHeader, type Header } from "../header/header.ts";
import { type Manifest, newSnapshotId } from "../manifest/manifest.ts";
import { PAGE_BYTES, type PageMap, zeroMap } from "../mapping/page-map.ts";
import { BuildFiles } from "../pages/build-files.ts";
import { PageSource } from "../pages/page-source.ts";
import { lazyPagesRef } from "../serve/snapshot-pages.ts";
import { damaged, readFailure } from "./damage.ts";
import { Draft, type Lineage } from "./draft.ts";
import { Holds } from "./holds.ts";
import { Inventory } from "./inventory.ts";
import { StoreLayout } from "./layout.ts";
import { type Need, needsOf, noNeed, type Root } from "./needs.ts";
import { readWorkingSet, writeWorkingSet } from "./working-set-file.ts";
import { WrittenFiles } from "./written-files.ts";

/** A finished snapshot. Nothing of it ever changes but its working set. */
export interface Snapshot {
  readonly id: string;
  readonly manifest: Manifest;
  readonly dir: string;
  readonly devicesPath: string;
}

/** What a machine continued from when the snapshot was begun. */
export type Origin =
  | { kind: "booted"; memoryMb: number }
  /**
   * `base`: the snapshot whose memory image later machines are started from, with the differences written in; null = they
   * are started from the new snapshot's own.
   */
  | { kind: "continued"; parent: string; base: string | null };

/** One line of `wrenn storage`. */
export interface Usage {
  id: string;
  /** Blocks × 512 of all its files. */
  bytes: number;
  need: Need;
}

/** Maps that are kept decoded. */
const CACHED_MAPS = 16;

export class SnapshotStore implements Disposable {
  readonly layout: StoreLayout;
  /** Whether what is read is what was written. */
  readonly written: WrittenFiles;
  readonly #inventory: Inventory;
  readonly #maps = new Map<string, PageMap>();
  readonly #holds = new Holds();
  readonly #files: BuildFiles;
  #sweeping: Promise<void> = Promise.resolve();

  /** The store in `snapshots/` of a data directory; what a crash left half-made is removed. One process at a time. */
  static async open(dataDir: string): Promise<SnapshotStore> {
    const root = join(dataDir, "snapshots");
    await mkdir(root, { recursive: true, mode: 0o700 });
    return new SnapshotStore(await Inventory.load(new StoreLayout(root)));
  }

  private constructor(inventory: Inventory) {
    this.#inventory = inventory;
    this.layout = inventory.layout;
    this.written = new WrittenFiles(inventory);
    this.#files = new BuildFiles((build) => this.layout.file(build, "memory"));
  }

  /** Directories that have a snapshot's name but cannot be read. They are left alone. */
  get damaged(): readonly { id: string; reason: unknown }[] {
    return this.#inventory.damaged;
  }

  /** Throws `not_found`, or `snapshot_damaged` when it is one of {@link damaged}. */
  get(id: string): Snapshot {
    const manifest = this.#inventory.manifests.get(id);
    if (!manifest) {
      const unreadable = this.damaged.find((each) => each.id === id);
      if (unreadable) throw damaged(id, "its manifest cannot be read", unreadable.reason);
      throw new WrennError("not_found", `this host has no snapshot ${id}`);
    }
    return { id, manifest, dir: this.layout.dir(id), devicesPath: this.layout.file(id, "devices") };
  }

  has(id: string): boolean {
    return this.#inventory.manifests.has(id);
  }

  list(): Snapshot[] {
    return [...this.#inventory.manifests.keys()].map((id) => this.get(id));
  }

  /** Keeps {@link collect} from taking a snapshot, or what it needs, until the result is disposed of. */
  hold(id: string): Disposable {
    this.get(id);
    return this.#holds.take(id);
  }

  /**
   * Whoever collects: told each time a snapshot is held by nobody any more. What lost its last user while it was held is
   * not collected by any earlier call.
   */
  onReleased(listener: () => void): void {
    this.#holds.released = listener;
  }

  /** Where all its pages are. Read and checked once, then kept for a while. Throws `not_found`, `snapshot_damaged`. */
  async map(id: string): Promise<PageMap> {
    const { manifest } = this.get(id);
    const known = this.#maps.get(id);
    if (known) return this.#remember(id, known);
    const bytes = await readFile(this.layout.file(id, "header")).catch((reason: unknown) => {
      throw readFailure(reason, id, "header");
    });
    const { build, map } = headerIn(bytes, id);
    const fits =
      build === id && map.pages === pagesOf(manifest) && map.builds.join() === manifest.builds.join();
    if (!fits) throw damaged(id, "header and manifest do not fit");
    return this.#remember(id, map);
  }

  /** Its whole memory, for reading. The caller holds it. */
  async pages(id: string): Promise<PageSource> {
    return new PageSource(await this.map(id), this.#files);
  }

  /**
   * Its whole memory for a machine that runs while it arrives, together with a working set; default: what is recorded for
   * it. The caller holds the snapshot for as long as that is open.
   */
  async lazyPages(id: string, workingSet?: readonly PageRange[]): Promise<LazyPagesRef> {
    const map = await this.map(id);
    return lazyPagesRef({
      map,
      paths: map.builds.map((build) => this.layout.file(build, "memory")),
      workingSet: workingSet ?? (await this.workingSet(id)),
    });
  }

  /** What was recorded for it; nothing is as good as a file that is damaged. Throws `not_found`. */
  async workingSet(id: string): Promise<PageRange[]> {
    return await readWorkingSet(this.layout.file(id, "workingSet"), pagesOf(this.get(id).manifest));
  }

  /**
   * Keeps what machines that continued from it have touched before their guests had confirmed their init, in the order
   * given; what was kept before goes. Its descendants that are saved from now on, as bases of their own, start with it.
   * Throws `not_found`, `no_space`.
   */
  async recordWorkingSet(id: string, touched: Iterable<PageRange>): Promise<void> {
    using _hold = this.hold(id);
    await writeWorkingSet(this.layout.file(id, "workingSet"), touched, pagesOf(this.get(id).manifest));
  }

  /** Files of its disk's layers above the image, bottom first; `image` says where an image lies. */
  diskLayers(id: string, image: (name: string) => string): { path: string; format: "raw" | "qcow2" }[] {
    return this.get(id).manifest.disk.map((layer) =>
      layer.kind === "image"
        ? { path: image(layer.name), format: "raw" }
        : { path: this.diskPath(layer), format: "qcow2" },
    );
  }

  /** Where a layer lies. */
  diskPath({ id, index }: { id: string; index: number }): string {
    return this.layout.disk(id, index);
  }

  /** Starts a snapshot. The result has to be disposed of, whatever becomes of it. */
  async begin(origin: Origin): Promise<Draft> {
    if (origin.kind === "booted") {
      const { memoryMb } = origin;
      const parent = new PageSource(zeroMap((memoryMb * MIB) / PAGE_BYTES), this.#files);
      return this.#draft(parent, { parent: null, base: null, replaces: null, generation: 1, memoryMb });
    }
    const { parent, base } = origin;
    using holds = new DisposableStack();
    if (base !== null) holds.use(this.hold(base));
    holds.use(this.hold(parent));
    const { generation, memoryMb } = this.get(parent).manifest;
    const lineage = { parent, base, replaces: null, generation: generation + 1, memoryMb };
    return await this.#draft(await this.pages(parent), lineage, holds.move());
  }

  /** Starts a snapshot that says the same as another one and is to take its place. */
  async rewrite(id: string): Promise<Draft> {
    using holds = new DisposableStack();
    holds.use(this.hold(id));
    const { parent, base, generation, memoryMb } = this.get(id).manifest;
    const lineage = { parent, base, replaces: id, generation, memoryMb };
    return await this.#draft(await this.pages(id), lineage, holds.move());
  }

  /** Reads all its files. Throws `not_found`, or `snapshot_damaged` for the first that is not what was written. */
  async verify(id: string, signal?: AbortSignal): Promise<void> {
    using _hold = this.hold(id);
    await this.map(id);
    await this.written.assertOwn(id, signal);
  }

  /** The same for all that a machine which continues from it is given: the pages of others too, but no disk. */
  async assertContinues(id: string, signal?: AbortSignal): Promise<void> {
    using _hold = this.hold(id);
    const { builds } = await this.map(id);
    await this.written.assertDevices(id, signal);
    await this.written.assertPages(builds, signal);
  }

  /** What it takes on disk: blocks × 512. */
  sizeOf(id: string): Promise<number> {
    return this.#inventory.sizeOf(id);
  }

  /** Everything that is there, with what it takes and who needs what of it. */
  async users(roots: Iterable<Root>): Promise<Usage[]> {
    const needs = needsOf(roots, this.#inventory.manifests);
    const usage = async (id: string) => ({
      id,
      bytes: await this.sizeOf(id),
      need: needs.get(id) ?? noNeed(),
    });
    return Promise.all(this.#inventory.ids().map(usage));
  }

  /**
   * Removes what neither the roots nor a holder needs, and of what is only needed for its pages or its disk layer all
   * else. `layers`: snapshots of which somebody needs the disk's layers alone. Returns the ids that are snapshots no more.
   * Roots that are not there are ignored. What goes is decided before this returns its promise: read the roots and call it
   * without a wait in between.
   */
  collect(roots: Iterable<string>, layers: Iterable<string> = []): Promise<string[]> {
    const { manifests, remains } = this.#inventory;
    const all: Root[] = [...roots, ...this.#holds.ids()].map((id) => ({ id, label: "" }));
    for (const id of layers) all.push({ id, label: "", part: "disk" });
    const needs = needsOf(all, manifests);
    const gone = [...manifests.keys()].filter((id) => !needs.get(id)?.whole.size);
    // From here on nobody can begin to use them, so nothing that comes later needs more of them.
    for (const id of gone) {
      remains.set(id, manifests.get(id)?.files);
      manifests.delete(id);
      this.#maps.delete(id);
    }
    const left = [...remains.keys()];
    const swept = this.#sweeping.then(() => this.#sweep(left, needs));
    this.#sweeping = swept.catch(() => {}); // whoever called is told
    return swept.then(() => gone);
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  async #sweep(ids: readonly string[], needs: ReadonlyMap<string, Need>): Promise<void> {
    for (const id of ids) {
      if (!this.#inventory.remains.has(id)) continue;
      const { memory, disk } = needs.get(id) ?? noNeed();
      if (memory.size === 0) this.#files.forget(id);
      if (memory.size + disk.size > 0) {
        await this.#inventory.strip(id, { memory: memory.size > 0, disk: disk.size > 0 });
      } else {
        await this.#inventory.remove(id);
        this.#inventory.remains.delete(id);
      }
    }
  }

  #draft(parent: PageSource, lineage: Lineage, holds = new DisposableStack()): Promise<Draft> {
    const id = newSnapshotId();
    holds.use(this.#holds.take(id));
    const onCommit = (manifest: Manifest, map: PageMap) => {
      this.#inventory.manifests.set(id, manifest);
      this.#remember(id, map);
      return this.get(id);
    };
    return Draft.create({ id, layout: this.layout, parent, lineage, onCommit, holds });
  }

  #remember(id: string, map: PageMap): PageMap {
    this.#maps.delete(id);
    this.#maps.set(id, map);
    const [oldest] = this.#maps.keys();
    if (this.#maps.size > CACHED_MAPS && oldest !== undefined) this.#maps.delete(oldest);
    return map;
  }
}

function headerIn(bytes: Buffer, id: string): Header {
  try {
    return decodeHeader(bytes);
  } catch (reason) {
    throw damaged(id, "its header is not what was written", reason);
  }
}

function pagesOf({ memoryMb }: Manifest): number {
  return (memoryMb * MIB) / PAGE_BYTES;
}
