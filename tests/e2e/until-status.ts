import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Sandbox, WrennClient } from "@wrenn/sdk";

const DEADLINE_MS = 60_000;
/** How often is asked: it comes in the platform's own time, from which each question takes some. */
const PAUSE_MS = 50;

/** Waits until a sandbox has a status that comes without anybody asking for it. */
export async function untilStatus(client: WrennClient, id: string, wanted: Sandbox["status"]): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const { status } = await client.sandboxes.get(id);
    if (status === wanted) return;
    assert.ok(performance.now() < deadline, `${id} is still ${status}`);
    await delay(PAUSE_MS);
  }
}
