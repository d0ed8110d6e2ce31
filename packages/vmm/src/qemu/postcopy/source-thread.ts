// A postcopy source in a thread of its own: a disk that is slow for one machine keeps nobody else waiting.
import { closeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type LazyPagesRef, type PageRange, WrennError } from "@wrenn/core";
import type { Roms } from "./blocks.ts";

/** When what nobody asks for begins to be sent, counted from {@link SourceThread.settle}. */
export interface PushTimes {
  /** Not before, `ms`. */
  afterMs: number;
  /** Once the guest has asked for nothing that long, `ms`. */
  quietMs: number;
  /** Then at the latest, `ms`. */
  byMs: number;
}

/** What the thread is started with. */
export interface SourceThreadOptions {
  /** Connected to the receiver. It is the thread's from the start, also when that fails. */
  fd: number;
  pages: LazyPagesRef;
  roms: Roms;
  /** Name of the block that is the guest's memory. */
  memory: string;
  /** See `deviceSections`. */
  devices: Uint8Array;
  push: PushTimes;
  /** A read of the saved memory that takes longer is not waited for by {@link SourceThread.stop}. Default: 30 s. */
  stallMs?: number;
}

const STALL_MS = 30_000;
/** A thread handles numbers and a map; what it reads goes through two buffers. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

/** The same, and where the thread counts: pages with content that were sent, and all of them. */
export type SourceData = SourceThreadOptions & { counts: Int32Array };

/** From the thread. */
export type FromSource =
  | { kind: "open" }
  | { kind: "devices-loaded" }
  | { kind: "touched"; ranges: PageRange[] }
  | { kind: "complete" }
  | { kind: "failed"; message: string };
/** To the thread. */
export type ToSource = { kind: "settle" } | { kind: "stop" };

export class SourceThread {
  /** Resolves when the receiver has loaded its devices. Rejects when it will not. */
  readonly devicesLoaded: Promise<void>;
  /** Resolves when all has arrived. Rejects when the source ended before, for whatever reason. */
  readonly complete: Promise<void>;
  readonly #worker: Worker;
  readonly #stallMs: number;
  readonly #counts = new Int32Array(new SharedArrayBuffer(8));
  readonly #ended: Promise<void>;
  readonly #touched = Promise.withResolvers<PageRange[]>();

  constructor(options: SourceThreadOptions) {
    const loaded = Promise.withResolvers<void>();
    const complete = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    let open = false;
    let failure = new WrennError("unavailable", "the source of a machine's memory ended");
    this.#stallMs = options.stallMs ?? STALL_MS;
    const workerData: SourceData = { ...options, counts: this.#counts };
    this.#worker = new Worker(new URL("./source-worker.ts", import.meta.url), {
      workerData,
      resourceLimits: LIMITS,
    });
    this.#worker.on("message", (message: FromSource) => {
      if (message.kind === "open") open = true;
      if (message.kind === "devices-loaded") loaded.resolve();
      if (message.kind === "touched") this.#touched.resolve(message.ranges);
      if (message.kind === "complete") complete.resolve();
      if (message.kind === "failed") failure = new WrennError("internal", message.message);
    });
    this.#worker.on("error", (cause) => {
      failure = new WrennError("internal", "the source of a machine's memory failed", { cause });
    });
    this.#worker.once("exit", () => {
      if (!open) closeSync(options.fd);
      for (const waiting of [loaded, complete, this.#touched]) waiting.reject(failure);
      ended.resolve();
    });
    this.devicesLoaded = loaded.promise;
    this.complete = complete.promise;
    this.#ended = ended.promise;
    // Not everybody waits for all of them.
    for (const promise of [loaded.promise, complete.promise, this.#touched.promise]) promise.catch(() => {});
  }

  /** Pages with content: how many were sent, of how many. */
  get progress(): { loaded: number; total: number } {
    return { loaded: Atomics.load(this.#counts, 0), total: Atomics.load(this.#counts, 1) };
  }

  /** The guest has come to itself: gives what it waited for until now, and lets the rest follow. */
  settle(): Promise<PageRange[]> {
    this.#worker.postMessage({ kind: "settle" } satisfies ToSource);
    return this.#touched.promise;
  }

  /**
   * Ends it, complete or not, and waits until it has ended. Rejects with `deadline_exceeded` while a read does not come
   * back; it ends when that does.
   */
  async stop(): Promise<void> {
    this.#worker.postMessage({ kind: "stop" } satisfies ToSource);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new WrennError("deadline_exceeded", "a read of saved memory does not come back"));
    }, this.#stallMs);
    try {
      await Promise.race([this.#ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
