// Waiting where the kernel offers nothing but looking again.
import { setTimeout as delay } from "node:timers/promises";

export interface UntilOptions {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 5;

/** Looks every 1 to 5 ms until the condition holds (true) or the time is up (false). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: UntilOptions,
): Promise<boolean> {
  const deadline = performance.now() + options.timeoutMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause + 1, LONGEST_PAUSE_MS)) {
    if (await condition()) return true;
    if (performance.now() >= deadline) return false;
    await delay(pause, undefined, { signal: options.signal });
  }
}
