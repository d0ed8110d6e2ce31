// The content behind a snapshot's name, and how it goes.
import { WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { namesOfStores } from "../db/queries/snapshots.ts";
import type { HostDirectory } from "../hosts/directory.ts";

const DELETE_TIMEOUT_MS = 30_000;

/** Deletes those of these contents that no name stands for any more. Never throws. */
export async function dropNameless(
  { db, hosts, log }: { db: Db; hosts: HostDirectory; log: Logger },
  storeNames: readonly string[],
  requestId: string,
): Promise<void> {
  try {
    const named = await namesOfStores(db, storeNames);
    for (const store of new Set(storeNames)) {
      if (!named.has(store)) await dropContent(hosts, store, { log, requestId });
    }
  } catch (err) {
    log.warn({ err, contents: storeNames }, "could not look for the names of contents; the reconciler will");
  }
}

/**
 * Deletes content that no name stands for any more, wherever it is. Never throws: what a host keeps all the same,
 * the reconciler finds. On a host it lives on while a sandbox needs it.
 */
export async function dropContent(
  hosts: HostDirectory,
  storeName: string,
  { log, requestId }: { log: Logger; requestId: string },
): Promise<void> {
  const call = { attempted: `deleting content ${storeName}`, requestId, timeoutMs: DELETE_TIMEOUT_MS };
  await Promise.all(
    hosts.reachable().map(async ({ client }) => {
      try {
        await client.call("deleteSnapshot", { name: storeName }, call);
      } catch (reason) {
        if (reason instanceof WrennError && reason.code === "not_found") return;
        log.warn(
          { content: storeName, err: reason },
          "could not delete a snapshot's content; the reconciler will",
        );
      }
    }),
  );
}
