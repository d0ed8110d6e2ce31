// A new sandbox row, under the owner's quota.
import { WrennError } from "@wrenn/core";
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { NewSandboxRow, SandboxRow } from "../schema.ts";

/** Everything that holds, or is about to hold, a place on a host. */
const COUNTED = ["pending", "starting", "running", "pausing", "resuming"] as const;

export interface InsertSandboxes {
  owner: string;
  rows: readonly NewSandboxRow[];
  /** Sandboxes that an owner without a limit of their own may run. */
  defaultMaxRunning: number;
}

/**
 * Inserts all rows or none. Throws `capacity` when the owner would run more than allowed. The count and the
 * insertion are one transaction under a lock of the owner: two requests cannot both take the last place.
 */
export async function insertSandboxes(
  db: Db,
  { owner, rows, defaultMaxRunning }: InsertSandboxes,
): Promise<SandboxRow[]> {
  return await db.transaction().execute(async (tx) => {
    const { max_running } = await tx
      .selectFrom("owners")
      .select("max_running")
      .where("id", "=", owner)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const { running } = await tx
      .selectFrom("sandboxes")
      .select(sql<number>`count(*)`.as("running"))
      .where("owner", "=", owner)
      .where("status", "in", COUNTED)
      .executeTakeFirstOrThrow();
    const max = max_running ?? defaultMaxRunning;
    if (running + rows.length > max) {
      throw new WrennError("capacity", `${running} of your ${max} sandboxes are running; delete one first`, {
        retryAfterSec: 10,
      });
    }
    return await tx.insertInto("sandboxes").values(rows).returningAll().execute();
  });
}
