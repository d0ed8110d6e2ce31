// What the tests of lazy memory have in common: a process that touches memory, saved memories, and a place for sockets.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LazyPagesRef, PageRange } from "@wrenn/core";
import { lazyPagesRef, type PageMap, pageMap, type Segment } from "@wrenn/snapshot";
import { FaultThreads, UffdServer, type UffdServerOptions } from "@wrenn/vmm";
import { type Answer, type Order, TOUCH } from "./machine.ts";

export const PAGE_BYTES = 4096;

/** A process as {@link Order} says, driven one order after the other. */
export class TrialMachine {
  readonly child: ChildProcess;

  constructor() {
    this.child = fork(join(import.meta.dirname, "machine.ts"), { serialization: "advanced" });
  }

  /** Rejects with what the process failed with, and when it ends. */
  async do(order: Order): Promise<Answer> {
    const aborted = new AbortController();
    const { signal } = aborted;
    const ended = once(this.child, "exit", { signal }).then(() => {
      throw new Error("the machine has ended");
    });
    const answered = once(this.child, "message", { signal }) as Promise<[Answer]>;
    this.child.send(order);
    try {
      const [answer] = await Promise.race([answered, ended]);
      if (answer.kind === "failed") throw new Error(answer.why);
      return answer;
    } finally {
      aborted.abort();
      await Promise.allSettled([ended, answered]);
    }
  }

  /** Touches pages, each thread its own list; throws with the pages that hold something else than they should. */
  async touch(...lists: readonly Uint32Array[]): Promise<void> {
    const answer = await this.do({ kind: "touch", lists });
    assert.deepEqual(answer, { kind: "touched", wrong: [] });
  }

  /** The same while it gives ranges back. */
  async race(lists: readonly Uint32Array[], removals: readonly PageRange[]): Promise<void> {
    const answer = await this.do({ kind: "race", lists, removals });
    assert.deepEqual(answer, { kind: "touched", wrong: [] });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }
}

/** One entry of a list of {@link TrialMachine.touch}. */
export function touched(what: keyof typeof TOUCH, page: number): number {
  return page * 8 + TOUCH[what];
}

export function touchAll(what: keyof typeof TOUCH, pages: Iterable<number>): Uint32Array {
  return Uint32Array.from(pages, (page) => touched(what, page));
}

/** A saved memory in files of random bytes, and what it is as a whole. */
export interface Saved {
  map: PageMap;
  paths: string[];
  /** File with all pages in order. */
  whole: string;
}

/** A directory with builds, from which memories are put together. */
export class TrialBuilds implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "wrenn-lazy-"));
  readonly #files = new Map<string, Buffer>();
  #made = 0;

  /** A build of so many pages; its name. */
  add(pages: number): string {
    const build = `build-${this.#files.size}`;
    const bytes = randomBytes(pages * PAGE_BYTES);
    writeFileSync(join(this.dir, build), bytes);
    this.#files.set(build, bytes);
    return build;
  }

  memory(pages: number, segments: readonly Segment[]): Saved {
    const map = pageMap(pages, segments);
    const whole = join(this.dir, `whole-${this.#made++}`);
    const bytes = segments.map(({ start, end, build, offset }) => {
      const length = (end - start) * PAGE_BYTES;
      const file = this.#files.get(build ?? "");
      return file?.subarray(offset * PAGE_BYTES, offset * PAGE_BYTES + length) ?? Buffer.alloc(length);
    });
    writeFileSync(whole, Buffer.concat(bytes));
    return { map, paths: map.builds.map((build) => join(this.dir, build)), whole };
  }

  /** A memory that is one build. */
  plain(pages: number): Saved {
    return this.memory(pages, [{ start: 0, end: pages, build: this.add(pages), offset: 0 }]);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}

export function refOf({ map, paths }: Saved, workingSet: readonly PageRange[] = []): LazyPagesRef {
  return lazyPagesRef({ map, paths, workingSet });
}

/** Threads of all servers of a test file. */
export const threads = new FaultThreads();

let sockets = 0;

/** Serves a memory to this user's processes, from a socket in a directory. */
export function serve(
  dir: string,
  pages: LazyPagesRef,
  options: Partial<UffdServerOptions> = {},
): { server: UffdServer; socket: string } {
  const socket = join(dir, `socket-${sockets++}`);
  const uid = process.getuid?.() ?? 0;
  const server = UffdServer.start(threads, { socketPath: socket, pages, peer: { uid }, ...options });
  return { server, socket };
}

/** Maps a memory in a machine and has it served. */
export async function attach(
  machine: TrialMachine,
  { server, socket }: { server: UffdServer; socket: string },
  {
    whole,
    sizes,
    reportRemovals = true,
  }: { whole: string; sizes: readonly number[]; reportRemovals?: boolean },
): Promise<void> {
  await machine.do({ kind: "map", expected: whole, sizes, reportRemovals });
  await machine.do({ kind: "connect", socket });
  await machine.do({ kind: "send", descriptors: ["uffd"] });
  await server.attached;
}

/** All pages of a memory in an order that no read-ahead guesses, dealt to threads. */
export function dealt(pages: number, threads: number, what: keyof typeof TOUCH): Uint32Array[] {
  const order = Uint32Array.from({ length: pages }, (_, page) => page);
  for (let i = pages - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1));
    const page = order[i] as number;
    order[i] = order[other] as number;
    order[other] = page;
  }
  return Array.from({ length: threads }, (_, thread) =>
    touchAll(
      what,
      order.filter((_, i) => i % threads === thread),
    ),
  );
}
