// One platform for several files of a process: bringing one up takes as long as many a file's tests.
import assert from "node:assert/strict";
import { type Platform, startPlatform } from "./platform.ts";

let lending = false;
let lent: Promise<Platform> | undefined;

/** From now on there is one platform for all that borrow one here, until the function is called that comes back. */
export function lend(): () => Promise<void> {
  lending = true;
  return async () => {
    lending = false;
    await (await lent?.catch(() => undefined))?.stop();
  };
}

/** A platform with its default settings and no sandbox. Its `stop()` ends the borrower's sandboxes, and the platform if nobody lends. */
export async function borrowPlatform(): Promise<Platform> {
  if (!lending) return await startPlatform();
  lent ??= startPlatform();
  const platform = await lent;
  return { ...platform, stop: () => giveBack(platform) };
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
