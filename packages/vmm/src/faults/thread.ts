// A thread that serves one machine after the other: takes its memory over, answers its faults, says how that ended.
import { parentPort } from "node:worker_threads";
import { type ErrorCode, type LazyPagesRef, openLazyPages, WrennError } from "@wrenn/core";
import { Userfaultfd } from "@wrenn/linux/uffd";
import { FaultLoop, type LoopEnd } from "./fault-loop.ts";
import { type ExpectedPeer, shakeHands } from "./handshake.ts";
import { Tally } from "./tally.ts";

/** What it is to serve. Descriptors are the sender's. */
export interface ThreadSetup {
  listener: number;
  stop: number;
  rest: number;
  peer: ExpectedPeer;
  acceptTimeoutMs: number;
  pages: LazyPagesRef;
  blockPages: number;
  prefetchRate: number;
  /** Of a {@link Tally}. */
  tally: SharedArrayBuffer;
  /** Two 32-bit numbers, where the thread leaves the descriptors that it was handed: userfaultfd, connection. */
  descriptors: SharedArrayBuffer;
}

/** What it says, in this order. After `ended` and `failed` it waits for another setup. */
export type ThreadMessage =
  | { kind: "attached"; pid: number }
  | { kind: "loaded" }
  | { kind: "ended"; end: LoopEnd }
  | { kind: "failed"; code: ErrorCode; message: string };

const say = (message: ThreadMessage) => parentPort?.postMessage(message);

parentPort?.on("message", (setup: ThreadSetup) => {
  void serve(setup).then(
    (end) => say({ kind: "ended", end }),
    (reason: unknown) => {
      const what = reason instanceof Error ? reason.message : String(reason);
      const { code, message } = WrennError.from(reason, `a machine's memory cannot be served: ${what}`);
      say({ kind: "failed", code, message });
    },
  );
});

/** Blocks the thread from the first descriptor on. */
async function serve(setup: ThreadSetup): Promise<LoopEnd> {
  using pages = await openLazyPages(setup.pages);
  const { listener, stop, rest, peer, acceptTimeoutMs: timeoutMs } = setup;
  const handshake = shakeHands({ listener, stop, peer, timeoutMs, pages: pages.pages });
  if (!handshake) return "stopped";
  const descriptors = new Int32Array(setup.descriptors);
  Atomics.store(descriptors, 0, handshake.uffd);
  Atomics.store(descriptors, 1, handshake.connection);
  const loop = new FaultLoop({
    uffd: new Userfaultfd(handshake.uffd),
    regions: handshake.regions,
    pages,
    tally: new Tally(setup.tally),
    blockPages: setup.blockPages,
    prefetchRate: setup.prefetchRate,
    onLoaded: () => say({ kind: "loaded" }),
  });
  say({ kind: "attached", pid: handshake.peer.pid });
  return loop.run({ stop, rest, connection: handshake.connection });
}
