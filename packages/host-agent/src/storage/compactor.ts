// Long histories made short in the background, one at a time: a sandbox that was paused a thousand times costs no more
// to resume, and hardly more disk, than one that was paused once.
import { compactSnapshot, type SnapshotStore } from "@wrenn/snapshot";
import { Mutex } from "async-mutex";
import type { Logger } from "pino";
import type { ImageStore } from "../image/image-store.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Storage } from "./storage.ts";

export interface CompactorOptions {
  snapshots: SnapshotStore;
  images: ImageStore;
  storage: Storage;
  dataDir: string;
  /** Whether disk layers are files that qemu-img can merge. */
  mergesLayers: boolean;
  /** User that qemu-img runs under, which no machine has. */
  uid: number;
  log: Logger;
}

export class Compactor {
  readonly #options: CompactorOptions;
  readonly #turn = new Mutex();
  readonly #waiting = new Set<string>();
  readonly #closing = new AbortController();

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  /** Looks at a sandbox's last generation when its turn comes. A failure is logged: the long history works as well. */
  consider(sandbox: Sandbox): void {
    if (this.#waiting.has(sandbox.id) || this.#closing.signal.aborted) return;
    this.#waiting.add(sandbox.id);
    void this.#turn.runExclusive(async () => {
      this.#waiting.delete(sandbox.id);
      try {
        await this.#compact(sandbox);
      } catch (err) {
        if (!this.#closing.signal.aborted) {
          this.#options.log.warn({ err, sandbox_id: sandbox.id }, "could not shorten a history");
        }
      }
    });
  }

  /** Resolves when everything that was asked for so far has been looked at. */
  async settled(): Promise<void> {
    await this.#turn.runExclusive(() => {});
  }

  /** Ends what is under way; nothing of it is left. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the host agent is stopping"));
    await this.settled();
  }

  async #compact(sandbox: Sandbox): Promise<void> {
    const { snapshots, images, storage, dataDir, mergesLayers, uid, log } = this.#options;
    const id = sandbox.record.snapshot;
    if (this.#closing.signal.aborted || id === null || !snapshots.has(id)) return;
    const began = performance.now();
    let taken = false;
    const compacted = await compactSnapshot({
      store: snapshots,
      id,
      ...(mergesLayers ? { disk: { image: (name: string) => images.path(name), uid } } : {}),
      signal: this.#closing.signal,
      // The copy says the same, so it may also take the place of what a running machine was started from: its next
      // generation is compared with the copy, and what the machine has open stays with it.
      record: (copy) =>
        sandbox.lock.runExclusive(async () => {
          const settled = sandbox.status === "paused" || sandbox.status === "running";
          if (sandbox.record.snapshot !== id || !settled) return;
          await sandbox.update(dataDir, { snapshot: copy.id, layers: copy.manifest.disk });
          taken = true;
        }),
    });
    if (!compacted) return;
    storage.collect();
    const ms = Math.round(performance.now() - began);
    log.info({ sandbox_id: sandbox.id, from: id, to: compacted.id, taken, ms }, "shortened a history");
  }
}
