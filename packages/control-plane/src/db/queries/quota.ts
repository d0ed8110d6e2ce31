// How many sandboxes an owner runs at once.
import { WrennError } from "@wrenn/core";
import { sql } from "kysely";
import type { Db } from "../connect.ts";

/** Everything that holds, or is about to hold, a place on a host. */
const COUNTED = ["pending", "starting", "running", "pausing", "resuming"] as const;

export interface Quota {
  owner: string;
  /** Sandboxes that an owner without a limit of their own may run. */
  defaultMaxRunning: number;
}

/**
 * Makes a change that takes places, in a transaction under a lock of the owner, so that two requests cannot both
 * take the last one. Throws `capacity`, with the change taken back, when the owner would run more than allowed.
 */
export async function withinQuota<T>(
  db: Db,
  { owner, defaultMaxRunning }: Quota,
  change: (tx: Db) => Promise<T>,
): Promise<T> {
  return await db.transaction().execute(async (tx) => {
    const { max_running } = await tx
      .selectFrom("owners")
      .select("max_running")
      .where("id", "=", owner)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const before = await countRunning(tx, owner);
    const result = await change(tx);
    const max = max_running ?? defaultMaxRunning;
    if ((await countRunning(tx, owner)) > Math.max(max, before)) {
      throw new WrennError(
        "capacity",
        `${before} of your ${max} sandboxes are running; pause or delete one first`,
        { retryAfterSec: 10 },
      );
    }
    return result;
  });
}

async function countRunning(tx: Db, owner: string): Promise<number> {
  const { running } = await tx
    .selectFrom("sandboxes")
    .select(sql<number>`count(*)`.as("running"))
    .where("owner", "=", owner)
    .where("status", "in", COUNTED)
    .executeTakeFirstOrThrow();
  return running;
}
