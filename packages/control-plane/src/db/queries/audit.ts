// The record of who did what.
import type { Db } from "../connect.ts";

export interface AuditEvent {
  /** `sandbox.create`, `key.revoke` and the like. */
  action: string;
  /** Id or name of what it was done to. */
  subject: string;
  /** Left out: the platform itself did it. */
  by?: { owner: string; keyId: string; requestId: string };
  detail?: Record<string, unknown>;
}

export async function recordAudit(db: Db, event: AuditEvent): Promise<void> {
  await db.insertInto("audit_events").values(auditRow(event)).execute();
}

/** The row of an event. */
export function auditRow({ action, subject, by, detail = {} }: AuditEvent) {
  return {
    action,
    subject,
    detail: JSON.stringify(detail),
    owner: by?.owner ?? null,
    key_id: by?.keyId ?? null,
    request_id: by?.requestId ?? null,
  };
}

/** What was done to one subject, the newest first. */
export async function eventsOf(
  db: Db,
  subject: string,
  limit: number,
): Promise<{ at: Date; action: string; detail: Record<string, unknown> }[]> {
  return await db
    .selectFrom("audit_events")
    .select(["at", "action", "detail"])
    .where("subject", "=", subject)
    .orderBy("at", "desc")
    .limit(limit)
    .execute();
}
