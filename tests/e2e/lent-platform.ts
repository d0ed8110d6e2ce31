// One platform for several files of a process: bringing one up takes as long as many a file's tests.
import assert from "node:assert/strict";
import { Lent } from "../lent.ts";
import { type Platform, startPlatform } from "./platform.ts";

const platforms = new Lent(startPlatform, (platform) => platform.stop());

/** From now on there is one platform for all that borrow one here, until the function is called that comes back. */
export const lend = () => platforms.lend();

/** A platform with its default settings and no sandbox. Its `stop()` ends the borrower's sandboxes, and the platform if nobody lends. */
export async function borrowPlatform(): Promise<Platform> {
  const platform = await platforms.borrow();
  return platforms.isLending ? { ...platform, stop: () => giveBack(platform) } : platform;
}

async function giveBack({ client }: Platform): Promise<void> {
  const all = await Array.fromAsync(client.sandboxes.list());
  // Also those that have stopped: one whose machine has died still has its files.
  await Promise.all(all.map(({ id }) => client.sandboxes.delete(id)));
  const templates = await Array.fromAsync(client.snapshots.list());
  assert.deepEqual(
    templates.map(({ name }) => name),
    ["minimal"],
    "templates were left behind",
  );
}
