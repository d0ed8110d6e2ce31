// Deletes what has been kept long enough.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import { IDEMPOTENCY_KEPT } from "./idempotency.ts";
import { STOPPED_VISIBLE } from "./sandbox-find.ts";

/** Returns how many rows went from each table. */
export async function deleteExpired(
  db: Db,
  { auditDays }: { auditDays: number },
): Promise<Record<string, number>> {
  const ago = (interval: string) => sql<Date>`now() - ${sql.lit(interval)}::interval`;
  const results = {
    exec_tickets: await db
      .deleteFrom("exec_tickets")
      .where("expires_at", "<", sql<Date>`now()`)
      .executeTakeFirst(),
    idempotency_keys: await db
      .deleteFrom("idempotency_keys")
      .where("created_at", "<", ago(IDEMPOTENCY_KEPT))
      .executeTakeFirst(),
    sandboxes: await db
      .deleteFrom("sandboxes")
      .where("status", "=", "stopped")
      .where("stopped_at", "<", ago(STOPPED_VISIBLE))
      .executeTakeFirst(),
    audit_events: await db
      .deleteFrom("audit_events")
      .where("at", "<", ago(`${auditDays} days`))
      .executeTakeFirst(),
  };
  return Object.fromEntries(
    Object.entries(results).map(([table, result]) => [table, Number(result.numDeletedRows)]),
  );
}
