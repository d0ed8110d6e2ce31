// Before a guest is frozen: its callers are let go, and what it has written is on its disk.
import type { Logger } from "pino";
import type { Running } from "./sandbox.ts";

/** Flushing the guest's file systems; a guest that takes longer is frozen as it is, which loses nothing. */
const TIMEOUT_MS = 10_000;

/** Never keeps a sandbox from being frozen: a guest that does not answer is saved as it is. Returns what it took, `ms`. */
export async function quiesce(running: Running, streams: "end" | "keep", log: Logger): Promise<number> {
  const began = performance.now();
  try {
    await running.guest.quiesce(streams, whileItLives(running));
  } catch (err) {
    log.warn({ err }, "the guest was not quiesced; it is frozen as it is");
  }
  return performance.now() - began;
}

/** The guest goes on. When it cannot be told, it finds out by itself after a while. */
export async function unquiesce(running: Running, log: Logger): Promise<void> {
  try {
    await running.guest.unquiesce(whileItLives(running));
  } catch (err) {
    log.warn({ err }, "the guest was not told that it goes on");
  }
}

/** A machine that has died answers nothing: no reason to wait for it. */
function whileItLives({ machine }: Running): AbortSignal {
  const ended = new AbortController();
  void machine.exited.then(() => ended.abort(new Error("the machine has ended")));
  return AbortSignal.any([ended.signal, AbortSignal.timeout(TIMEOUT_MS)]);
}
