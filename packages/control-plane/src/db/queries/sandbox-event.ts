// What happened to a sandbox that goes on: in its row, for who looks at it now, and among the events, for good.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import { recordAudit } from "./audit.ts";

export interface HostEvent {
  /** Of the sandbox. */
  id: string;
  /** Id of the host's report: told twice, it is on record once. */
  report: string;
  action: string;
  reason: string;
  /** What the row says from now on, until the sandbox is resumed or restored. */
  error: string;
}

/** Whether it is news. The row of a sandbox that has ended keeps the reason for that. */
export async function noteEvent(db: Db, { id, report, action, reason, error }: HostEvent): Promise<boolean> {
  return await db.transaction().execute(async (tx) => {
    // Two control planes may be told at once: the second one waits here, and then sees what the first has recorded.
    const row = await tx
      .selectFrom("sandboxes")
      .select("status")
      .where("id", "=", id)
      .forUpdate()
      .executeTakeFirst();
    if (!row) return false;
    const known = await tx
      .selectFrom("audit_events")
      .select("id")
      .where("subject", "=", id)
      .where("action", "=", action)
      .where(sql<string>`detail ->> 'report'`, "=", report)
      .executeTakeFirst();
    if (known) return false;
    await recordAudit(tx, { action, subject: id, detail: { reason, report } });
    if (row.status !== "stopped" && row.status !== "error") {
      await tx
        .updateTable("sandboxes")
        .set({ error, last_updated: sql<Date>`now()` })
        .where("id", "=", id)
        .execute();
    }
    return true;
  });
}
