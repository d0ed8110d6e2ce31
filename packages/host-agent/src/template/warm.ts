// Booted copies of base templates: one snapshot for each shape that sandboxes ask for, so that creating is cloning.
import { isDeepStrictEqual } from "node:util";
import { newSandboxId, WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import { capture } from "../sandbox/capture.ts";
import { misfits } from "../sandbox/compatible.ts";
import type { HostContext } from "../sandbox/context.ts";
import { beginLife } from "../sandbox/life.ts";
import { endLife } from "../sandbox/pause.ts";
import { removeSandboxDir, type SandboxRecord, startingRecord } from "../sandbox/record.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { whileItLives } from "../sandbox/while-it-lives.ts";
import type { BaseTemplate, TemplateRegistry } from "./registry.ts";
import { rehearse } from "./rehearse.ts";

/** What a booted guest cannot change any more. */
export interface Shape {
  vcpus: number;
  memoryMb: number;
  diskMb: number;
}

/** Shapes kept for one template; the one that was made first goes first. */
const MAX_SHAPES = 8;

/** A guest loads what its template runs by itself: on an emulated processor a minute, under load several. */
const SETTLE_MS = 600_000;

/** For what a guest does by way of rehearsal: seconds on an emulated processor. It is done without when it takes longer. */
const REHEARSAL_MS = 60_000;

export class WarmTemplates {
  readonly #context: HostContext;
  readonly #registry: TemplateRegistry;
  readonly #log: Logger;
  readonly #making = new Map<string, Promise<string>>();
  readonly #closing = new AbortController();

  constructor(options: { context: HostContext; registry: TemplateRegistry; log: Logger }) {
    this.#context = options.context;
    this.#registry = options.registry;
    this.#log = options.log;
  }

  /** The snapshot of that shape, when there is one that this host can continue and that holds the current guest parts. */
  async find(template: BaseTemplate, shape: Shape): Promise<string | undefined> {
    const id = template.warm[shapeKey(shape)];
    if (id === undefined || !this.#context.snapshots.has(id)) return undefined;
    const snapshot = this.#context.snapshots.get(id);
    const guest = await this.#registry.guestImages();
    const isCurrent = isDeepStrictEqual(snapshot.manifest.images, guest);
    if (!isCurrent || (await misfits(this.#context, snapshot)).length > 0) return undefined;
    return id;
  }

  /** Whether there is such a snapshot and its files are what was written; reads all of them. */
  async isWhole(template: BaseTemplate, shape: Shape): Promise<boolean> {
    const id = await this.find(template, shape);
    if (id === undefined) return false;
    try {
      await this.#context.snapshots.verify(id, this.#closing.signal);
      return true;
    } catch (err) {
      this.#log.warn({ err, template: template.name, snapshot: id }, "the booted copy is made anew");
      return false;
    }
  }

  /** Takes the snapshot of that shape away, and whoever needs it still has it. Returns the template without it. */
  async forget(template: BaseTemplate, shape: Shape): Promise<BaseTemplate> {
    // Replaced or deleted meanwhile: then nobody will ask for it.
    const left = await this.#registry.changeWarm(template, ({ [shapeKey(shape)]: _, ...warm }) => warm);
    if (left === undefined) return template;
    this.#context.storage.collect();
    return left;
  }

  /** Boots the template once in that shape, and keeps what came of it. Joins one that is under way. */
  make(template: BaseTemplate, shape: Shape): Promise<string> {
    const key = `${template.name} ${template.rootfs} ${shapeKey(shape)}`;
    let making = this.#making.get(key);
    if (!making) {
      making = this.#make(template, shape).finally(() => this.#making.delete(key));
      this.#making.set(key, making);
    }
    return making;
  }

  /** The same in the background. A failure is logged: sandboxes boot cold meanwhile. */
  makeSoon(template: BaseTemplate, shape: Shape): void {
    this.make(template, shape).catch((err: unknown) => {
      if (!this.#closing.signal.aborted)
        this.#log.warn({ err, template: template.name, shape }, "could not keep a booted copy");
    });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new WrennError("unavailable", "this host is shutting down"));
    await Promise.allSettled(this.#making.values());
  }

  async #make(template: BaseTemplate, shape: Shape): Promise<string> {
    const context = this.#context;
    const began = performance.now();
    const guest = await this.#registry.guestImages();
    const sandbox = new Sandbox(templateRecord(template, shape));
    const log = this.#log.child({ sandbox_id: sandbox.id, template: template.name });
    const stop = () => sandbox.gone.abort(this.#closing.signal.reason);
    this.#closing.signal.throwIfAborted();
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    const draft = await context.snapshots.begin({ kind: "booted", memoryMb: shape.memoryMb });
    try {
      await sandbox.write(context.dataDir);
      const { layers } = sandbox.record;
      const running = await beginLife(
        context,
        sandbox,
        { kind: "cold", guest, layers, diskMb: shape.diskMb },
        log,
      );
      try {
        const within = (timeoutMs: number) =>
          AbortSignal.any([whileItLives(running.machine, timeoutMs), sandbox.gone.signal]);
        await running.guest.settled(within(SETTLE_MS));
        await rehearse(running.guest, within(REHEARSAL_MS), log);
        await running.guest.quiesce("end", within(30_000));
        sandbox.become("running");
        sandbox.become("pausing");
        await capture(context, sandbox, running, { operation: "snapshot", goesOn: false, draft, log });
      } finally {
        await endLife(context, sandbox, running, log);
      }
      await this.#remember(template, shape, draft.id);
      log.info(
        { ms: Math.round(performance.now() - began), shape: shapeKey(shape), snapshot: draft.id },
        "kept a booted copy",
      );
      return draft.id;
    } finally {
      this.#closing.signal.removeEventListener("abort", stop);
      await removeSandboxDir(context.dataDir, sandbox.id);
      await draft.abort();
      context.storage.collect();
    }
  }

  /** Puts the snapshot under its shape, last, and drops the oldest one above the bound. */
  async #remember(template: BaseTemplate, shape: Shape, id: string): Promise<void> {
    // Replaced or deleted meanwhile: then nobody will ask for it.
    await this.#registry.changeWarm(template, ({ [shapeKey(shape)]: _, ...others }) => ({
      ...Object.fromEntries(Object.entries(others).slice(-(MAX_SHAPES - 1))),
      [shapeKey(shape)]: id,
    }));
  }
}

export function shapeKey({ vcpus, memoryMb, diskMb }: Shape): string {
  return `${vcpus}x${memoryMb}x${diskMb}`;
}

function templateRecord(template: BaseTemplate, shape: Shape): SandboxRecord {
  return {
    ...startingRecord({
      id: newSandboxId(),
      template: template.name,
      ...shape,
      timeoutSec: 0,
      ttlMode: "inactivity",
      onTimeout: "destroy",
      envs: {},
    }),
    layers: [{ kind: "image", name: rootImage(template, shape.diskMb) }],
  };
}

/** The image of just that size, or the smallest one, which the guest grows while it boots. */
export function rootImage(template: BaseTemplate, diskMb: number): string {
  return template.defaultDisk.endsWith(`.${diskMb}m`) ? template.defaultDisk : template.rootfs;
}
