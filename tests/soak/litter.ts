// What a host agent without sandboxes must not have left on the machine.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { listNetns, planBlock, processesOfUids } from "@wrenn/linux";
import type { Agent } from "../faults/agent.ts";

/** What nobody needs is removed in the background, and slots are prepared there. */
const SETTLE_MS = 10_000;

/** Throws with the difference unless everything of all sandboxes and named snapshots is gone. */
export async function assertNothingLeft({ rpc, block, dataDir }: Agent): Promise<void> {
  assert.deepEqual((await rpc.listSandboxes({})).sandboxes, []);
  assert.deepEqual(readdirSync(join(dataDir, "sandboxes")), []);
  const { vmmUids, netnsPrefix } = planBlock(block);
  assert.deepEqual(processesOfUids(vmmUids), [], "a machine still runs");
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const { entries } = await rpc.getStorage({}, { timeoutMs: 10_000 });
    const unused = entries.filter(({ usedBy }) => usedBy.length === 0).length;
    const known = entries.filter(({ kind }) => kind === "snapshot").length;
    const unfinished = readdirSync(join(dataDir, "snapshots")).length - known;
    const slots = listNetns().filter((name) => name.startsWith(netnsPrefix)).length;
    if (unused === 0 && unfinished === 0 && slots <= PREPARED_SLOTS) return;
    const what = `${unused} unused entries, ${unfinished} half-made snapshots, ${slots} network slots`;
    assert.ok(Date.now() < deadline, `left: ${what}`);
    await delay(20);
  }
}

/** As `newAgent` sets it. */
const PREPARED_SLOTS = 2;
