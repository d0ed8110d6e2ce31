// `wrenn down`: stops the instance of a data directory, and cleans up after one that was killed.
import { existsSync } from "node:fs";
import { claimBlock, findBlockHolder, kill, releaseBlock, waitForExit } from "@wrenn/linux";
import { readInstance, removeInstance } from "./instance.ts";
import { dataLayout } from "./layout.ts";
import { removeLeftovers } from "./leftovers.ts";
import type { Progress } from "./progress.ts";

/** A supervisor that was asked to stop gets this long, `ms`: a little more than all that it waits for (`start.ts`). */
const PATIENCE_MS = 200_000;

/** Resolves when nothing of the instance is left, whether or not it was running. */
export async function down(dataDir: string, progress: Progress): Promise<void> {
  const data = dataLayout(dataDir);
  const supervisor = findBlockHolder(dataDir);
  if (supervisor) {
    await progress.step(`stopping the instance on ${dataDir} (supervisor ${supervisor.pid})`, async () => {
      // It may have been asked before, and this one never insists: what is not paused would be ended below.
      kill(supervisor, "SIGHUP");
      if (await waitForExit(supervisor, PATIENCE_MS)) return;
      progress.say(`the supervisor did not end within ${PATIENCE_MS / 1000} s: killing it`);
      kill(supervisor, "SIGKILL");
      await waitForExit(supervisor, PATIENCE_MS);
    });
  } else if (!existsSync(dataDir)) {
    progress.say(`there is no ${dataDir}`);
    return;
  } else {
    const known = await readInstance(data.instance);
    progress.say(known ? "the supervisor is gone; removing what it left" : `nothing runs on ${dataDir}`);
  }
  // A supervisor that stopped in order has left nothing; claiming its block again shows that.
  const claim = await claimBlock({ dataDir });
  await removeLeftovers(claim.block, data);
  await removeInstance(data.instance);
  await releaseBlock(claim);
}
