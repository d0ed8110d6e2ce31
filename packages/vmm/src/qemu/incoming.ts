// Loading a saved state into a QEMU that was started for it and waits.
import { once } from "node:events";
import { WrennError } from "@wrenn/core";
import type { QmpSession } from "./session.ts";

const LOAD_TIMEOUT_MS = 60_000;

/**
 * Has QEMU read the state from a descriptor that it inherited, and resolves when processors and devices are loaded and
 * stand still. QEMU ends when it cannot use the state, which is seen by its connection closing.
 */
export async function loadDeviceState(session: QmpSession, fd: number): Promise<void> {
  await session.execute("migrate-set-capabilities", {
    capabilities: [{ capability: "events", state: true }],
  });
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)]);
  const lost = once(session, "close", { signal }).then(() => {
    throw new WrennError("unavailable", "QEMU ended while it loaded the saved state");
  });
  const loaded = completion(session, signal);
  // Whichever comes later finds nobody waiting.
  for (const promise of [lost, loaded]) promise.catch(() => {});
  try {
    await session.execute("migrate-incoming", { uri: `fd:${fd}` });
    await Promise.race([loaded, lost]);
  } catch (reason) {
    if (signal.aborted)
      throw new WrennError("deadline_exceeded", "QEMU did not load the saved state in time");
    throw reason;
  } finally {
    over.abort();
  }
}

/** The MIGRATION event, migration.json of QEMU: sent after the machine's state has been set. */
function completion(session: QmpSession, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (name: string, data: Record<string, unknown>) => {
    if (name !== "MIGRATION") return;
    if (data["status"] === "completed") resolve();
    if (data["status"] === "failed")
      reject(new WrennError("unavailable", "QEMU could not load the saved state"));
  };
  session.on("event", look);
  signal.addEventListener("abort", () => {
    session.off("event", look);
    reject(signal.reason);
  });
  return promise;
}
