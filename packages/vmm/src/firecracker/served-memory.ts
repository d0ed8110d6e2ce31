// A machine's memory that is loaded while its guest runs: Firecracker hands its userfaultfd to a server of ours.
import { existsSync, rmSync } from "node:fs";
import { type LazyPagesRef, MIB, type PageRange, WrennError } from "@wrenn/core";
import type { FaultThreads } from "../faults/fault-threads.ts";
import { UffdServer } from "../faults/uffd-server.ts";
import { type MachineSpec, type MemoryArrival, PAGE_BYTES } from "../vmm.ts";
import { pagesSocket } from "./layout.ts";

export interface ServedMemoryOptions {
  threads: FaultThreads;
  spec: Pick<MachineSpec, "dir" | "uid" | "memoryMb">;
  pages: LazyPagesRef;
  /** From now until Firecracker has handed its memory over, which it does while it loads its state. */
  acceptTimeoutMs: number;
  /** Ends the machine, which would wait for ever. */
  onFailure: () => void;
}

/** Whether a machine waits for a server that an earlier process has taken with it. */
export function isForsaken(spec: Pick<MachineSpec, "dir">): boolean {
  return existsSync(pagesSocket(spec));
}

export class ServedMemory {
  readonly arrival: MemoryArrival;
  readonly #server: UffdServer;

  constructor({ threads, spec, pages, acceptTimeoutMs, onFailure }: ServedMemoryOptions) {
    rmSync(pagesSocket(spec), { force: true });
    const server = UffdServer.start(threads, {
      socketPath: pagesSocket(spec),
      pages,
      peer: { uid: spec.uid },
      acceptTimeoutMs,
    });
    this.#server = server;
    const loaded = Promise.withResolvers<void>();
    const ended = server.ended.then((end): never => {
      if (end.kind !== "failed") {
        throw new WrennError("unavailable", "a machine has ended before all of its memory was there");
      }
      onFailure();
      throw end.error;
    });
    const complete = Promise.race([loaded.promise, ended]);
    complete.catch(() => {}); // whoever waits for it sees it
    const total = (spec.memoryMb * MIB) / PAGE_BYTES;
    this.arrival = {
      get progress() {
        const { copied, zeroed, prefetched } = server.counts();
        return { loaded: Math.min(total, copied + zeroed + prefetched), total };
      },
      complete,
      settle: async (): Promise<PageRange[]> => {
        const touched = server.touched();
        server.loadRest().then(() => {
          // From here on the machine needs nobody.
          rmSync(pagesSocket(spec), { force: true });
          loaded.resolve();
        }, loaded.reject);
        return touched;
      },
    };
  }

  /** The machine has ended. */
  stop(): Promise<void> {
    return this.#server.stop();
  }
}
