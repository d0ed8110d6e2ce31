// Looks for sandboxes whose time is up, at a fixed interval, one round at a time.
import type { Release } from "@wrenn/core";
import type { Logger } from "pino";
import type { SandboxManager } from "./manager.ts";

/** Starts the rounds; the returned release stops them and waits for one that is under way. */
export function startReaper(manager: SandboxManager, intervalMs: number, log: Logger): Release {
  let round = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    round = manager
      .reapExpired()
      .catch((err: unknown) => log.error({ err }, "reaping idle sandboxes failed"))
      .finally(() => {
        busy = false;
      });
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    await round;
  };
}
