// Status changes of sandboxes: compare-and-set, guarded by the state machine.
import { canTransition, predecessors, type SandboxStatus } from "@wrenn/core";
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { Isolation, OnTimeout, SandboxNetwork, SandboxRow, TtlMode } from "../schema.ts";
import { type AuditEvent, auditRow } from "./audit.ts";
import { type Quota, withinQuota } from "./quota.ts";

export interface Move {
  id: string;
  to: SandboxStatus;
  /** Statuses to come from; default: all that the state machine allows. */
  from?: readonly SandboxStatus[];
  /** Only if its status was not changed since this was its row's `moves`: it may have been there and back. */
  unmovedSince?: number;
  /** Of one that becomes `stopped`: nobody wants it any more, and whatever its host still holds of it goes. */
  deleted?: boolean;
  /** The control plane that takes it through an unsettled status. Left out: it is settled now. */
  worker?: number;
  set?: {
    guest_ip?: string | null;
    host_ip?: string | null;
    isolation?: Isolation;
    on_timeout?: OnTimeout;
    disk_mb?: number;
    timeout_sec?: number;
    ttl_mode?: TtlMode;
    expires_at?: Date | null;
    error?: string | null;
    /** When it ended, of one that goes back to `stopped`; otherwise it has ended now. */
    stopped_at?: Date | null;
  };
  /** Recorded with the change, by the same statement: both are there, or neither. */
  audit?: AuditEvent | undefined;
}

/** The row after the change; nothing when it was not in a status to come from. */
export async function moveSandbox(
  db: Db,
  { id, to, from, unmovedSince, deleted, worker, set: { stopped_at: endedAt, ...set } = {}, audit }: Move,
): Promise<SandboxRow | undefined> {
  const sources = (from ?? predecessors(to)).filter((status) => canTransition(status, to));
  let query = db
    .updateTable("sandboxes")
    .set({
      ...set,
      status: to,
      worker: worker ?? null,
      moves: sql<number>`moves + 1`,
      last_updated: sql<Date>`now()`,
    })
    .where("id", "=", id)
    .where("status", "in", sources);
  if (to === "stopped")
    query = query.set({ stopped_at: endedAt ?? sql<Date>`now()`, host_ip: null, guest_ip: null });
  else query = query.set({ stopped_at: null });
  if (deleted) query = query.set({ deleted_at: sql<Date>`now()` });
  // What was deleted does not come back.
  if (to === "resuming") query = query.where("deleted_at", "is", null);
  if (to === "running") {
    query = query.set({
      started_at: sql<Date>`coalesce(started_at, now())`,
      last_active_at: sql<Date>`now()`,
    });
  }
  if (unmovedSince !== undefined) query = query.where("moves", "=", unmovedSince);
  const moved = query.returningAll();
  if (!audit) return await moved.executeTakeFirst();
  const event = auditRow(audit);
  return await db
    .with("moved", () => moved)
    .with("recorded", (cte) =>
      cte
        .insertInto("audit_events")
        .columns(["action", "subject", "detail", "owner", "key_id", "request_id"])
        .expression(({ selectFrom, cast, val }) =>
          selectFrom("moved").select([
            val(event.action).as("action"),
            val(event.subject).as("subject"),
            cast(val(event.detail), "jsonb").as("detail"),
            val(event.owner).as("owner"),
            val(event.key_id).as("key_id"),
            val(event.request_id).as("request_id"),
          ]),
        ),
    )
    .selectFrom("moved")
    .selectAll()
    .executeTakeFirst();
}

/** Several changes in one transaction; in their order, the rows after them. */
export async function moveSandboxes(db: Db, moves: readonly Move[]): Promise<(SandboxRow | undefined)[]> {
  return await db.transaction().execute(async (tx) => {
    const rows: (SandboxRow | undefined)[] = [];
    for (const move of moves) rows.push(await moveSandbox(tx, move));
    return rows;
  });
}

/** A change that takes a place, under the owner's quota. Throws `capacity` when there is none left. */
export async function moveWithinQuota(db: Db, quota: Quota, move: Move): Promise<SandboxRow | undefined> {
  return await withinQuota(db, quota, (tx) => moveSandbox(tx, move));
}

/** Its owner does not want what is left of one that has ended. */
export async function markDeleted(db: Db, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("sandboxes")
    .set({ deleted_at: sql<Date>`now()`, last_updated: sql<Date>`now()` })
    .where("id", "=", id)
    .where("status", "=", "stopped")
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Takes a row away whose sandbox was refused before anything was made. */
export async function forgetSandbox(db: Db, id: string, worker: number): Promise<void> {
  await db
    .deleteFrom("sandboxes")
    .where("id", "=", id)
    .where("worker", "=", worker)
    .where("status", "in", ["pending", "starting"])
    .execute();
}

/** The deadline of a running sandbox. Nothing when it no longer runs. */
export async function setClock(
  db: Db,
  id: string,
  clock: { timeout_sec: number; expires_at: Date | null },
): Promise<SandboxRow | undefined> {
  return await db
    .updateTable("sandboxes")
    .set({ ...clock, ttl_mode: "deadline", last_updated: sql<Date>`now()` })
    .where("id", "=", id)
    .where("status", "=", "running")
    .returningAll()
    .executeTakeFirst();
}

/** What is said about a sandbox's network. */
export async function setNetwork(db: Db, id: string, network: SandboxNetwork): Promise<void> {
  await db
    .updateTable("sandboxes")
    .set({ network: JSON.stringify(network), last_updated: sql<Date>`now()` })
    .where("id", "=", id)
    .execute();
}

/** Notes activity of many sandboxes at once. Never turns a clock back. */
export async function noteActivity(db: Db, seen: ReadonlyMap<string, number>): Promise<void> {
  if (seen.size === 0) return;
  await sql`
    update sandboxes set last_active_at = seen.at
    from (select unnest(${[...seen.keys()]}::text[]) as id,
                 unnest(${[...seen.values()].map((ms) => new Date(ms))}::timestamptz[]) as at) as seen
    where sandboxes.id = seen.id and status = 'running'
      and (last_active_at is null or last_active_at < seen.at)`.execute(db);
}
