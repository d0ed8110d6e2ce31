// Having a QEMU that waits for a saved state take it from a postcopy source.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import type { QmpSession } from "../session.ts";
import type { SourceThread } from "./source-thread.ts";

const LOAD_TIMEOUT_MS = 60_000;
/** QEMU says that devices are loaded a moment before it takes that as its state, of which there is no event. */
const LOOK_EVERY_MS = 1;

/**
 * Resolves when processors and devices are loaded and stand still; the guest may run from then on, and waits for what it
 * touches. `fd`: the process's number of the connection to the source.
 */
export async function loadLazily(session: QmpSession, fd: number, source: SourceThread): Promise<void> {
  await session.execute("migrate-set-capabilities", {
    capabilities: [{ capability: "postcopy-ram", state: true }],
  });
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)]);
  const lost = once(session, "close", { signal }).then(() => {
    throw new WrennError("unavailable", "QEMU ended while it loaded the saved state");
  });
  lost.catch(() => {}); // it may come when nobody waits any more
  try {
    await session.execute("migrate-incoming", { uri: `fd:${fd}` });
    await Promise.race([source.devicesLoaded, lost]);
    while ((await statusOf(session)) === "inmigrate") await delay(LOOK_EVERY_MS, undefined, { signal });
  } catch (reason) {
    if (signal.aborted)
      throw new WrennError("deadline_exceeded", "QEMU did not load the saved state in time");
    throw reason;
  } finally {
    over.abort();
  }
}

async function statusOf(session: QmpSession): Promise<string> {
  return (await session.execute<{ status: string }>("query-status")).status;
}

/** Throws `not_found` when a machine's memory had not all arrived when its source ended: it never will. */
export async function assertArrived(session: QmpSession, timeoutMs: number): Promise<void> {
  const { status } = await session.execute<{ status?: string }>("query-migrate", undefined, { timeoutMs });
  if (status === undefined || status === "none" || status === "completed") return;
  throw new WrennError("not_found", `a part of its memory has not arrived, and never will (${status})`);
}
