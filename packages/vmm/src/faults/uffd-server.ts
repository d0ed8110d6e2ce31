// Loads a machine's memory while it runs: one thread for each machine, started and ended from here.
import { chownSync, rmSync } from "node:fs";
import { type LazyPagesRef, MIB, type PageRange, WrennError } from "@wrenn/core";
import { listenUnix } from "@wrenn/linux";
import { closeDescriptor, EventFd } from "@wrenn/linux/uffd";
import { MAX_BLOCK_PAGES } from "./fault-loop.ts";
import type { FaultThreads, ThreadListener } from "./fault-threads.ts";
import type { ExpectedPeer } from "./handshake.ts";
import { type FaultCounts, Tally } from "./tally.ts";
import type { ThreadSetup } from "./thread.ts";

export interface UffdServerOptions {
  /** Where the VMM connects. Its directory exists; the socket is made, and belongs to the peer's user. */
  socketPath: string;
  /** The saved memory. What it reads from has to stay until {@link UffdServer.stop} has resolved. */
  pages: LazyPagesRef;
  peer: ExpectedPeer;
  /** Time for the VMM to connect and hand its memory over. Default: 10 s. */
  acceptTimeoutMs?: number;
  /** Pages, 1 to 512, of the aligned block that is loaded when one of them is needed. Default: 16, as the kernel does for files. */
  blockPages?: number;
  /** Unasked loading, `bytes` a second. Default: 512 MiB/s. */
  prefetchRate?: number;
  /** A read of the saved memory that takes longer is a failure. Default: 30 s. */
  stallMs?: number;
}

/** How serving ended. After `failed` the machine waits for ever for memory and has to be killed. */
export type ServerEnd =
  | { kind: "stopped" }
  /** The VMM has ended. */
  | { kind: "gone" }
  | { kind: "failed"; error: WrennError };

const DEFAULTS = { acceptTimeoutMs: 10_000, blockPages: 16, prefetchRate: 512 * MIB, stallMs: 30_000 };

/** A process that ends waits for its threads, so those have to be told. */
const live = new Set<EventFd>();
process.on("exit", () => {
  for (const stop of live) stop.signal();
});

export class UffdServer {
  /** The VMM's process, once it has handed its memory over. Rejects when serving ends before that. */
  readonly attached: Promise<{ pid: number }>;
  /** Never rejects. */
  readonly ended: Promise<ServerEnd>;
  readonly #tally = new Tally();
  readonly #descriptors = new Int32Array(new SharedArrayBuffer(8)).fill(-1);
  readonly #stop = new EventFd();
  readonly #rest = new EventFd();
  readonly #stallMs: number;
  readonly #attached = Promise.withResolvers<{ pid: number }>();
  readonly #ended = Promise.withResolvers<ServerEnd>();
  readonly #loaded = Promise.withResolvers<void>();
  /** The thread does not use anything of this any more. */
  readonly #released = Promise.withResolvers<void>();
  readonly #watch: NodeJS.Timeout;
  #end: ServerEnd | undefined;
  #stopped: Promise<void> | undefined;

  /** Listens, and has a thread serve. The VMM may connect at once. */
  static start(threads: FaultThreads, options: UffdServerOptions): UffdServer {
    const { blockPages = DEFAULTS.blockPages, peer, socketPath } = options;
    if (!Number.isInteger(blockPages) || blockPages < 1 || blockPages > MAX_BLOCK_PAGES) {
      throw new WrennError(
        "invalid_argument",
        `blocks of ${blockPages} pages: 1 to ${MAX_BLOCK_PAGES} are possible`,
      );
    }
    const listener = listenUnix(socketPath, { nonBlocking: true });
    try {
      chownSync(socketPath, peer.uid, 0);
      return new UffdServer(listener, threads, options);
    } catch (reason) {
      closeDescriptor(listener);
      rmSync(socketPath, { force: true });
      throw reason;
    }
  }

  private constructor(listener: number, threads: FaultThreads, options: UffdServerOptions) {
    this.attached = this.#attached.promise;
    this.ended = this.#ended.promise;
    // Whoever only waits for the end is not to be told twice.
    this.attached.catch(() => {});
    this.#loaded.promise.catch(() => {});
    this.#stallMs = options.stallMs ?? DEFAULTS.stallMs;
    const setup: ThreadSetup = {
      listener,
      stop: this.#stop.fd,
      rest: this.#rest.fd,
      peer: options.peer,
      acceptTimeoutMs: options.acceptTimeoutMs ?? DEFAULTS.acceptTimeoutMs,
      pages: options.pages,
      blockPages: options.blockPages ?? DEFAULTS.blockPages,
      prefetchRate: options.prefetchRate ?? DEFAULTS.prefetchRate,
      tally: this.#tally.memory,
      descriptors: this.#descriptors.buffer,
    };
    live.add(this.#stop);
    this.#watch = this.#watchReads();
    const release = () => {
      closeDescriptor(listener);
      rmSync(options.socketPath, { force: true });
      this.#released.resolve();
    };
    threads.serve(setup, (message) => this.#hear(message, release));
  }

  counts(): FaultCounts {
    return this.#tally.counts();
  }

  /** What the machine's faults have loaded so far, in that order. */
  touched(): PageRange[] {
    return this.#tally.touched();
  }

  /**
   * From here on all that is missing is loaded, at the rate of unasked loading and behind every fault. Resolves when it is
   * there: the machine waits for nothing any more, unless it gives memory back. Rejects when serving ends before that.
   */
  loadRest(): Promise<void> {
    this.#rest.signal();
    return this.#loaded.promise;
  }

  /**
   * Frees the thread and closes the userfaultfd. To be called when the VMM has ended: one that still runs may find zeros
   * where its memory was not loaded. Rejects with `deadline_exceeded` while a read does not come back; everything is
   * given back when it does.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#shutDown();
    return this.#stopped;
  }

  async #shutDown(): Promise<void> {
    this.#stop.signal();
    const released = this.#released.promise.then(() => {
      for (const fd of this.#descriptors) closeDescriptor(fd);
      this.#descriptors.fill(-1);
      live.delete(this.#stop);
      this.#stop[Symbol.dispose]();
      this.#rest[Symbol.dispose]();
    });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new WrennError("deadline_exceeded", "a read of saved memory does not come back"));
    }, this.#stallMs);
    try {
      await Promise.race([released, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #hear(message: Parameters<ThreadListener>[0], release: () => void): void {
    if (message.kind === "attached") {
      this.#attached.resolve({ pid: message.pid });
      return;
    }
    if (message.kind === "loaded") {
      this.#loaded.resolve();
      return;
    }
    if (message.kind === "ended") this.#finish({ kind: message.end });
    else if (message.kind === "crash")
      this.#fail("the thread that serves a machine's memory broke down", message.reason);
    else this.#finish({ kind: "failed", error: new WrennError(message.code, message.message) });
    release();
  }

  #fail(what: string, cause?: unknown): void {
    this.#finish({ kind: "failed", error: new WrennError("internal", what, { cause }) });
  }

  /** The first end counts. */
  #finish(end: ServerEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#watch);
    const none = (what: string) => (end.kind === "failed" ? end.error : new WrennError("unavailable", what));
    this.#attached.reject(none("nobody handed memory over to be served"));
    this.#loaded.reject(none("a machine has ended before all of its memory was loaded"));
    this.#ended.resolve(end);
  }

  /** The thread itself cannot tell that it stands still. */
  #watchReads(): NodeJS.Timeout {
    let seen: number | undefined;
    let since = 0;
    const look = () => {
      const read = this.#tally.currentRead();
      if (read === undefined || read !== seen) since = performance.now();
      else if (performance.now() - since >= this.#stallMs) {
        this.#fail(`reading saved memory takes longer than ${this.#stallMs} ms`);
      }
      seen = read;
    };
    return setInterval(look, Math.max(1, this.#stallMs / 8)).unref();
  }
}
