// Before a guest is frozen: its callers are let go, and what it has written is on its disk.
import type { Logger } from "pino";
import type { Running } from "./sandbox.ts";
import { whileItLives } from "./while-it-lives.ts";

/** Flushing the guest's file systems; a guest that takes longer is frozen as it is, which loses nothing. */
const TIMEOUT_MS = 10_000;

/** Never keeps a sandbox from being frozen: a guest that does not answer is saved as it is. Returns what it took, `ms`. */
export async function quiesce(running: Running, streams: "end" | "keep", log: Logger): Promise<number> {
  const began = performance.now();
  try {
    await running.guest.quiesce(streams, whileItLives(running.machine, TIMEOUT_MS));
  } catch (err) {
    log.warn({ err }, "the guest was not quiesced; it is frozen as it is");
  }
  return performance.now() - began;
}

/**
 * The guest goes on where it was, or was never stopped: it gets the time, since its clock stands still with its machine, and
 * whoever left meanwhile has left. When it cannot be told the latter, it finds out by itself after a while.
 */
export async function unquiesce(
  { guest, machine }: Pick<Running, "guest" | "machine">,
  log: Logger,
): Promise<void> {
  const signal = whileItLives(machine, TIMEOUT_MS);
  const told = await Promise.allSettled([guest.init({}, { signal }), guest.unquiesce(signal)]);
  const failed = told.find((result) => result.status === "rejected");
  if (failed) log.warn({ err: failed.reason }, "the guest was not told that it goes on");
}
