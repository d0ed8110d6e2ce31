// Waiting where the kernel offers nothing but looking again.
import { setTimeout as delay } from "node:timers/promises";

export interface UntilOptions {
  timeoutMs: number;
  /** The longest time between two looks, ms. Default: 5. More for what takes seconds, or costs more than a system call. */
  longestPauseMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 5;

/** Looks again and again, every 1 ms and then ever less often, until the condition holds (true) or the time is up (false). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: UntilOptions,
): Promise<boolean> {
  const { timeoutMs, longestPauseMs = LONGEST_PAUSE_MS } = options;
  const deadline = performance.now() + timeoutMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(Math.max(pause + 1, pause * 1.5), longestPauseMs)) {
    if (await condition()) return true;
    if (performance.now() >= deadline) return false;
    await delay(pause, undefined, { signal: options.signal });
  }
}
