// The snapshots of one machine: what is there, what is being made, what may go.
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { faultPoint } from "@wrenn/linux";
import { decodeHeader } from "../header/header.ts";
import { type Manifest, newSnapshotId, parseManifest } from "../manifest/manifest.ts";
import { PAGE_BYTES, type PageMap, zeroMap } from "../mapping/page-map.ts";
import { BuildFiles } from "../pages/build-files.ts";
import { PageSource } from "../pages/page-source.ts";
import { Draft } from "./draft.ts";
import { syncPath } from "./durable.ts";
import { fileSum } from "./file-sum.ts";
import { Holds } from "./holds.ts";
import { StoreLayout } from "./layout.ts";
import { type Need, needsOf, type Root } from "./needs.ts";

/** A finished snapshot. Nothing of it ever changes. */
export interface Snapshot {
  readonly id: string;
  readonly manifest: Manifest;
  readonly dir: string;
  readonly devicesPath: string;
}

/** What a machine continued from when the snapshot was begun. */
export type Origin =
  | { kind: "booted"; memoryMb: number }
  /** `base`: the snapshot whose memory image the machine was started from. */
  | { kind: "continued"; parent: string; base: string };

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
  /** Directories that have a snapshot's name but cannot be read. They are left alone. */
  readonly damaged: { id: string; reason: unknown }[] = [];
  readonly #manifests = new Map<string, Manifest>();
  readonly #maps = new Map<string, PageMap>();
  readonly #holds = new Holds();
  readonly #files: BuildFiles;

  /** The store in `snapshots/` of a data directory; what a crash left half-made is removed. One process at a time. */
  static async open(dataDir: string): Promise<SnapshotStore> {
    const root = join(dataDir, "snapshots");
    await mkdir(root, { recursive: true, mode: 0o700 });
    const store = new SnapshotStore(new StoreLayout(root));
    const { ids, litter } = await store.layout.scan();
    for (const name of litter) await rm(join(root, name), { recursive: true, force: true });
    for (const id of ids) await store.#load(id);
    return store;
  }

  private constructor(layout: StoreLayout) {
    this.layout = layout;
    this.#files = new BuildFiles((build) => layout.file(build, "memory"));
  }

  /** Throws `not_found`. */
  get(id: string): Snapshot {
    const manifest = this.#manifests.get(id);
    if (!manifest) throw new WrennError("not_found", `this host has no snapshot ${id}`);
    return { id, manifest, dir: this.layout.dir(id), devicesPath: this.layout.file(id, "devices") };
  }

  has(id: string): boolean {
    return this.#manifests.has(id);
  }

  list(): Snapshot[] {
    return [...this.#manifests.keys()].map((id) => this.get(id));
  }

  /** Keeps {@link collect} from taking a snapshot, or what it needs, until the result is disposed of. */
  hold(id: string): Disposable {
    this.get(id);
    return this.#holds.take(id);
  }

  /** Where all its pages are. Read and checked once, then kept for a while. */
  async map(id: string): Promise<PageMap> {
    const { manifest } = this.get(id);
    const known = this.#maps.get(id);
    if (known) return this.#remember(id, known);
    const { build, map } = decodeHeader(await readFile(this.layout.file(id, "header")));
    const fits =
      build === id && map.pages === pagesOf(manifest) && map.builds.join() === manifest.builds.join();
    if (!fits) throw new WrennError("internal", `header and manifest of snapshot ${id} do not fit`);
    return this.#remember(id, map);
  }

  /** Its whole memory, for reading. The caller holds it. */
  async pages(id: string): Promise<PageSource> {
    return new PageSource(await this.map(id), this.#files);
  }

  /** Pages through another map, whose builds the caller holds. */
  source(map: PageMap): PageSource {
    return new PageSource(map, this.#files);
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
  async begin(origin: Origin, { replaces = null }: { replaces?: string | null } = {}): Promise<Draft> {
    const id = newSnapshotId();
    using holds = new DisposableStack();
    if (origin.kind === "continued") {
      holds.use(this.hold(origin.parent));
      holds.use(this.hold(origin.base));
    }
    holds.use(this.#holds.take(id));
    const from = origin.kind === "continued" ? this.get(origin.parent).manifest : undefined;
    const memoryMb = origin.kind === "continued" ? (from?.memoryMb ?? 0) : origin.memoryMb;
    const parent =
      origin.kind === "continued"
        ? await this.pages(origin.parent)
        : new PageSource(zeroMap((memoryMb * 1024 * 1024) / PAGE_BYTES), this.#files);
    return Draft.create({
      id,
      layout: this.layout,
      parent,
      lineage: {
        parent: origin.kind === "continued" ? origin.parent : null,
        base: origin.kind === "continued" ? origin.base : null,
        replaces,
        generation: (from?.generation ?? 0) + 1,
        memoryMb,
      },
      onCommit: (manifest, map) => {
        this.#manifests.set(id, manifest);
        this.#remember(id, map);
        return this.get(id);
      },
      holds: holds.move(),
    });
  }

  /** Compares all its files with the manifest's sizes and checksums. Throws `internal` for the first that differs. */
  async verify(id: string, signal?: AbortSignal): Promise<void> {
    using _hold = this.hold(id);
    await this.map(id);
    const { disks, ...files } = this.get(id).manifest.files;
    const expectations = [
      ...Object.entries(files).map(
        ([name, sum]) => [this.layout.file(id, name as "memory"), name, sum] as const,
      ),
      ...disks.map((sum, index) => [this.layout.disk(id, index), `disk ${index}`, sum] as const),
    ];
    for (const [path, name, expected] of expectations) {
      const found = await fileSum(path, signal);
      if (found.bytes === expected.bytes && found.crc32 === expected.crc32) continue;
      throw new WrennError("internal", `snapshot ${id} is damaged: ${name} is not what was written`);
    }
  }

  /** What it takes on disk: blocks × 512. */
  async sizeOf(id: string): Promise<number> {
    const dir = this.layout.dir(id);
    const files = await Promise.all((await readdir(dir)).map((name) => stat(join(dir, name))));
    return files.reduce((sum, { blocks }) => sum + blocks * 512, 0);
  }

  /** Each snapshot with what it takes and who needs what of it. */
  async users(roots: Iterable<Root>): Promise<Usage[]> {
    const needs = needsOf(roots, this.#manifests);
    const none = (): Need => ({ whole: new Set(), memory: new Set(), disk: new Set() });
    return Promise.all(
      [...this.#manifests.keys()].map(async (id) => ({
        id,
        bytes: await this.sizeOf(id),
        need: needs.get(id) ?? none(),
      })),
    );
  }

  /** Removes what neither the roots nor a holder needs; returns the ids. Roots that are not there are ignored. */
  async collect(roots: Iterable<string>): Promise<string[]> {
    const all = [...roots, ...this.#holds.ids()].map((id) => ({ id, label: "" }));
    const needs = needsOf(all, this.#manifests);
    const gone = [...this.#manifests.keys()].filter((id) => !needs.has(id));
    // Before the first wait: from here on nobody can begin to use them.
    for (const id of gone) {
      this.#manifests.delete(id);
      this.#maps.delete(id);
      this.#files.forget(id);
    }
    for (const id of gone) await this.#remove(id);
    return gone;
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  async #load(id: string): Promise<void> {
    try {
      const manifest = parseManifest(await readFile(this.layout.file(id, "manifest"), "utf8"));
      if (manifest.id !== id) throw new WrennError("internal", `snapshot ${id} calls itself ${manifest.id}`);
      this.#manifests.set(id, manifest);
    } catch (reason) {
      this.damaged.push({ id, reason });
    }
  }

  #remember(id: string, map: PageMap): PageMap {
    this.#maps.delete(id);
    this.#maps.set(id, map);
    const [oldest] = this.#maps.keys();
    if (this.#maps.size > CACHED_MAPS && oldest !== undefined) this.#maps.delete(oldest);
    return map;
  }

  async #remove(id: string): Promise<void> {
    await rename(this.layout.dir(id), this.layout.goneDir(id));
    await syncPath(this.layout.root);
    faultPoint("snapshot-going");
    await rm(this.layout.goneDir(id), { recursive: true, force: true });
  }
}

function pagesOf({ memoryMb }: Manifest): number {
  return (memoryMb * 1024 * 1024) / PAGE_BYTES;
}
