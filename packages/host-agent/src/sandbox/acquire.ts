// Waiting for a place in a semaphore without being stuck there when the reason for waiting has gone.
import type { Semaphore } from "async-mutex";

/** Takes a place; returns how to give it back. Rejects with the signal's reason, holding nothing. */
export async function acquire(semaphore: Semaphore, signal: AbortSignal): Promise<() => void> {
  signal.throwIfAborted();
  const place = semaphore.acquire();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [, release] = await Promise.race([place, aborted.promise]);
    return release;
  } catch (reason) {
    void place.then(([, release]) => release());
    throw reason;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
