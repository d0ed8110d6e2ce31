// Looks after sandboxes at a fixed interval, one round at a time: those whose time is up, and consoles that grow.
import { join } from "node:path";
import type { Release } from "@wrenn/core";
import { trimConsole } from "@wrenn/vmm";
import type { Logger } from "pino";
import type { SandboxManager } from "./manager.ts";

/** Starts the rounds; the returned release stops them and waits for one that is under way. */
export function startReaper(manager: SandboxManager, intervalMs: number, log: Logger): Release {
  let round = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    round = Promise.all([manager.reapExpired(), trimConsoles(manager)])
      .then(() => {})
      .catch((err: unknown) => log.error({ err }, "looking after sandboxes failed"))
      .finally(() => {
        busy = false;
      });
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    await round;
  };
}

/** A guest may print without end; its console is kept within a bound. */
async function trimConsoles(manager: SandboxManager): Promise<void> {
  for (const { running } of manager.list()) {
    if (running) await trimConsole(join(running.dir, "console.log"));
  }
}
