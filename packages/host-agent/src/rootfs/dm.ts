// Root file systems as snapshots of the device mapper: the kernel reads and writes the disk, the VMM sees a block device.
import { glob, mkdir, realpath, rename, rm, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MIB, Scope, WrennError } from "@wrenn/core";
import {
  copySparse,
  cowBytes,
  createSnapshot,
  findDevice,
  findLoop,
  Origins,
  removeSnapshot,
  restoreSnapshot,
  resumeDevice,
  type Snapshot,
  snapshotStatus,
  snapshotStatuses,
  sweepDevices,
  TRIAL_PREFIX,
  whileSuspended,
} from "@wrenn/linux";
import type { DiskLayerRef } from "@wrenn/snapshot";
import type { DiskLayer } from "@wrenn/vmm";
import { assertLayersAre } from "./layer-format.ts";
import {
  type Freeze,
  NotFrozen,
  type RootfsPlace,
  type RootfsSpec,
  type RootfsStore,
} from "./rootfs-store.ts";

/** The disk of a life: its snapshot, whose file is the present top, and how its hold of the origin is given back. */
interface Live {
  snapshot: Snapshot;
  scope: Scope;
}

/** How often the devices are asked whether they still work, `ms`. */
const LOOK_EVERY_MS = 2000;

/**
 * The origin of a snapshot is the image, with zeros behind it up to the disk's size; its file holds what was written since.
 * A snapshot of a snapshot does not exist, so a frozen top holds all that is above the image, and a life begins with a
 * copy of the last one. The copy is cheap: a file system with reflinks shares it, others copy what was written alone.
 *
 * The files lie beside the VMM's directory, not in it: what the kernel reads as metadata is never in a VMM's reach.
 */
export class DmRootfsStore implements RootfsStore {
  readonly name = "dm";
  readonly stacks = false;
  readonly #prefix: string;
  readonly #dataDir: string;
  readonly #origins: Origins;
  /** By the life's directory. */
  readonly #live = new Map<string, Live>();

  private constructor(prefix: string, dataDir: string) {
    this.#prefix = prefix;
    this.#dataDir = dataDir;
    this.#origins = new Origins(prefix);
  }

  /** @param prefix of the names of this block's devices, see `planBlock` */
  static async open(options: { prefix: string; dataDir: string }): Promise<DmRootfsStore> {
    return new DmRootfsStore(options.prefix, await realpath(options.dataDir));
  }

  async create(spec: RootfsSpec, top: string): Promise<DiskLayer[]> {
    const { dir, imagePath, diskMb } = spec;
    const last = spec.frozen.at(-1);
    if (last !== undefined) await assertLayersAre("dm", [last]);
    await using scope = new Scope();
    const files = await scope.take(
      "directory",
      async () => {
        await mkdir(filesOf(dir), { mode: 0o700 });
        return filesOf(dir);
      },
      (made) => rm(made, { recursive: true, force: true }),
    );
    const origin = await scope.take(
      "origin",
      () => this.#origins.acquire(imagePath, diskMb * MIB),
      (taken) => this.#origins.release(taken),
    );
    const snapshot = { name: this.#nameOf(dir), cow: join(await realpath(files), top) };
    const device = await scope.take(
      "snapshot",
      async () => {
        if (last === undefined) return await createSnapshot(snapshot, origin);
        await copySparse(last, snapshot.cow);
        await truncate(snapshot.cow, cowBytes(origin.bytes));
        return await restoreSnapshot(snapshot, origin);
      },
      () => removeSnapshot(snapshot),
    );
    this.#live.set(dir, { snapshot, scope: scope.move() });
    return [{ path: device, format: "device" }];
  }

  async adopt(spec: RootfsSpec, tops: readonly string[]): Promise<DiskLayer[]> {
    const { dir, imagePath, diskMb } = spec;
    const name = this.#nameOf(dir);
    const device = await findDevice(name);
    const files = await realpath(filesOf(dir)).catch(() => undefined);
    const cow = tops.map((top) => join(files ?? "/", top)).find((path) => findLoop(path));
    if (!device || !files || !cow) throw new WrennError("not_found", `${dir} has no disk`);
    await using scope = new Scope();
    // Until it is taken over, its file is all that there is of what the machine has written.
    let isTakenOver = false;
    scope.defer("directory", async () => {
      if (isTakenOver) await rm(files, { recursive: true, force: true });
    });
    await scope.take(
      "origin",
      () => this.#origins.acquire(imagePath, diskMb * MIB),
      (taken) => this.#origins.release(taken),
    );
    const snapshot = { name, cow };
    scope.defer("snapshot", () => removeSnapshot(snapshot));
    await resumeDevice(name);
    isTakenOver = true;
    this.#live.set(dir, { snapshot, scope: scope.move() });
    return [{ path: device, format: "device" }];
  }

  async prepare(): Promise<void> {
    // What goes on is the same device; the frozen top is made when it is frozen.
  }

  async freeze({ dir }: Freeze, next: string | undefined): Promise<void> {
    const live = this.#live.get(dir);
    if (!live) throw new WrennError("internal", `${dir} has no disk`);
    const { snapshot } = live;
    await whileSuspended(snapshot, async () => {
      const status = await snapshotStatus(snapshot.name);
      if (status.state !== "active") throw new WrennError("no_space", `the disk of ${dir} is lost`);
      const frozen = snapshot.cow;
      if (next !== undefined) {
        // The device keeps its file, under the next top's name, and the present one becomes a copy.
        snapshot.cow = join(dirname(frozen), next);
        await rename(frozen, snapshot.cow);
        try {
          await copySparse(snapshot.cow, frozen);
        } catch (reason) {
          // In place of what there is of the copy, which would go on taking room on a disk that may be full.
          await rename(snapshot.cow, frozen);
          snapshot.cow = frozen;
          throw new NotFrozen(reason);
        }
      }
      // Chunks are used from the front: behind these is nothing, which need not be read to be stored. A machine that goes
      // on after all makes its file longer again.
      await truncate(frozen, status.usedBytes);
    });
  }

  path({ dir }: Pick<RootfsPlace, "dir">, top: string): string {
    return join(filesOf(dir), top);
  }

  below(layers: readonly DiskLayerRef[]): DiskLayerRef[] {
    return layers.filter((layer) => layer.kind === "image");
  }

  async remove({ dir }: Pick<RootfsPlace, "dir">): Promise<void> {
    const live = this.#live.get(dir);
    if (!live) return;
    this.#live.delete(dir);
    await live.scope.close();
  }

  async sweep(): Promise<string[]> {
    const held = this.#origins.held();
    const live = [...this.#live.values()].map(({ snapshot }) => snapshot);
    const { devices, loops } = await sweepDevices({
      prefix: this.#prefix,
      dataDir: this.#dataDir,
      spared: {
        devices: new Set([...held.devices, ...live.map(({ name }) => name)]),
        files: new Set([...held.files, ...live.map(({ cow }) => cow)]),
      },
    });
    return [...devices, ...loops.map(({ device }) => device), ...(await this.#sweepFiles())];
  }

  /** Directories of lives that are over, and of trials. */
  async #sweepFiles(): Promise<string[]> {
    const live = new Set([...this.#live.values()].map(({ snapshot }) => dirname(snapshot.cow)));
    const patterns = ["sandboxes/*/vm-*.disk", `${TRIAL_PREFIX}*`];
    const found = await Array.fromAsync(glob(patterns.map((pattern) => join(this.#dataDir, pattern))));
    const left = found.filter((path) => !live.has(path));
    for (const path of left) await rm(path, { recursive: true, force: true });
    return left;
  }

  watch(onLost: (dir: string, reason: string) => void): () => void {
    let looking = false;
    const told = new Set<string>();
    const look = async () => {
      if (looking || this.#live.size === 0) return;
      looking = true;
      try {
        const statuses = await snapshotStatuses();
        for (const [dir, { snapshot }] of this.#live) {
          const status = statuses.get(snapshot.name);
          if (!status || status.state === "active" || told.has(dir)) continue;
          told.add(dir);
          onLost(dir, "its disk was lost: the host could not write to it, most likely for want of space");
        }
      } catch {
        // Asked again soon; a device mapper that does not answer fails whatever else is asked of it.
      } finally {
        looking = false;
      }
    };
    const timer = setInterval(() => void look(), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }

  /** `wrenn-0-sb-….vm-3`: block, sandbox and life. */
  #nameOf(dir: string): string {
    return `${this.#prefix}${basename(dirname(dir))}.${basename(dir)}`;
  }
}

/** Beside the VMM's directory, and closed to it. */
function filesOf(dir: string): string {
  return `${dir}.disk`;
}
