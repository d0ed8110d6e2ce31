// Waiting for what happens in its own time.
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

/** Looks again until there is something; what is waited for happens in another process's time. */
export async function eventually<T>(look: () => Promise<T | undefined>, timeoutMs = 5000): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < until, "waited in vain");
    await delay(5);
  }
}
