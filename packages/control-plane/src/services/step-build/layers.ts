// Cached layers of builds: kept after each step, found again by the next build with the same history, bounded.
import type { Logger } from "pino";
import type { Db } from "../../db/connect.ts";
import { evictLayers, forgetLayer, LAYER_TAG, useLayers } from "../../db/queries/layers.ts";
import type { SandboxRow, TemplateRow } from "../../db/schema.ts";
import type { HostDirectory } from "../../hosts/directory.ts";
import type { Caller } from "../caller.ts";
import { dropNameless } from "../snapshot-content.ts";
import type { SnapshotService } from "../snapshots.ts";

/** Layers of all owners together. */
const MAX_LAYERS = 512;

export interface LayersContext {
  db: Db;
  hosts: HostDirectory;
  snapshots: SnapshotService;
  log: Logger;
  /** Of all owners together. */
  maxBytes: number;
}

/** Nobody sees another owner's layers. Content goes when no layer and no template that was made on top of it needs it. */
export class Layers {
  readonly #context: LayersContext;

  constructor(context: LayersContext) {
    this.#context = context;
  }

  /** The layer of the last key that has one, and which key that is. Nothing when none has. Never throws. */
  async find(
    { owner }: Caller,
    keys: readonly string[],
  ): Promise<{ layer: TemplateRow; at: number } | undefined> {
    const { db, log } = this.#context;
    const rows = await useLayers(db, owner, [...new Set(keys)]).catch((err: unknown) => {
      log.warn({ err }, "could not look for layers of a build");
      return [];
    });
    const byKey = new Map(rows.map((row) => [row.name, row]));
    const at = keys.findLastIndex((key) => byKey.has(key));
    const layer = byKey.get(keys[at] ?? "");
    return layer && { layer, at };
  }

  /** Keeps what a sandbox is like now. Never throws: a layer that is missing costs time, and nothing else. */
  async keep(caller: Caller, sandbox: SandboxRow, key: string): Promise<void> {
    const { db, snapshots, log, maxBytes } = this.#context;
    if (maxBytes === 0) return;
    try {
      const naming = { overwrite: true, type: "layer", tags: [LAYER_TAG] } as const;
      await snapshots.create(caller, { sandbox_id: sandbox.id, name: key }, naming);
      const evicted = await evictLayers(db, { maxBytes, maxCount: MAX_LAYERS });
      await dropNameless(this.#context, evicted, caller.requestId);
    } catch (err) {
      log.warn({ err, sandbox_id: sandbox.id }, "could not keep a layer of a build");
    }
  }

  /** A layer that nothing can be made from is none. Never throws. */
  async forget(caller: Caller, layer: TemplateRow): Promise<void> {
    const { db, log } = this.#context;
    try {
      await dropNameless(this.#context, await forgetLayer(db, layer), caller.requestId);
    } catch (err) {
      log.warn({ err, layer: layer.name }, "could not forget a layer");
    }
  }
}
