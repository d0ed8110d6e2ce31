// Finding sandboxes: one by its id, or a page of an owner's.
import type { SandboxStatus } from "@wrenn/core";
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { SandboxRow } from "../schema.ts";

/** How long a stopped sandbox still answers. */
export const STOPPED_VISIBLE = "24 hours";

/** A position in a list that is sorted newest first: the last row that was given out. */
export interface Position {
  /** Milliseconds since the epoch. */
  createdAt: number;
  id: string;
}

export interface SandboxFilter {
  owner: string;
  status?: SandboxStatus | undefined;
  statuses?: readonly SandboxStatus[] | undefined;
  startedAfter?: Date | undefined;
  /** Oldest first. */
  ascending?: boolean | undefined;
  template?: string | undefined;
  metadata?: Record<string, string> | undefined;
  /** Rows behind this position only. */
  after?: Position | undefined;
  limit?: number | undefined;
}

/** Every column: `SandboxRow` has no other, which `satisfies` checks in both directions. */
const COLUMNS = Object.keys({
  id: true,
  owner: true,
  status: true,
  template: true,
  host_id: true,
  vcpus: true,
  memory_mb: true,
  disk_mb: true,
  timeout_sec: true,
  on_timeout: true,
  ttl_mode: true,
  guest_ip: true,
  host_ip: true,
  isolation: true,
  metadata: true,
  error: true,
  worker: true,
  created_at: true,
  started_at: true,
  last_active_at: true,
  expires_at: true,
  auto_resume: true,
  traffic_token: true,
  network: true,
  stopped_at: true,
  deleted_at: true,
  last_updated: true,
  moves: true,
} satisfies Record<keyof SandboxRow, true>);

const FIND_COLUMNS = sql.raw(COLUMNS.join(", "));

/** One row that the owner may see, or nothing. On the way of every request, hence by hand and prepared. */
export async function findSandbox(db: Db, owner: string, id: string): Promise<SandboxRow | undefined> {
  const { rows } = await sql<SandboxRow>`-- prepared find_sandbox
    select ${FIND_COLUMNS} from sandboxes
    where id = ${id} and owner = ${owner}
      and (status <> 'stopped' or stopped_at > now() - ${sql.lit(STOPPED_VISIBLE)}::interval)`.execute(db);
  return rows[0];
}

/** One row, whoever owns it. */
export async function findSandboxById(db: Db, id: string): Promise<SandboxRow | undefined> {
  return await db.selectFrom("sandboxes").selectAll().where("id", "=", id).executeTakeFirst();
}

/** An owner's sandboxes, newest first unless it is asked otherwise. */
export async function listSandboxes(db: Db, filter: SandboxFilter): Promise<SandboxRow[]> {
  const direction = filter.ascending ? "asc" : "desc";
  let query = visible(db, filter.owner).orderBy("created_at", direction).orderBy("id", direction);
  if (filter.statuses) query = query.where("status", "in", filter.statuses);
  if (filter.startedAfter) query = query.where("started_at", ">", filter.startedAfter);
  if (filter.status) query = query.where("status", "=", filter.status);
  if (filter.template !== undefined) query = query.where("template", "=", filter.template);
  if (filter.metadata)
    query = query.where(sql<boolean>`metadata @> ${JSON.stringify(filter.metadata)}::jsonb`);
  if (filter.after) {
    const { createdAt, id } = filter.after;
    const beyond = sql.raw(filter.ascending ? ">" : "<");
    query = query.where(sql<boolean>`(created_at, id) ${beyond} (${new Date(createdAt)}, ${id})`);
  }
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  return await query.execute();
}

/** How many sandboxes there are in each status, over all owners. */
export async function countByStatus(db: Db): Promise<{ status: SandboxStatus; count: number }[]> {
  return await db
    .selectFrom("sandboxes")
    .select(["status", sql<number>`count(*)`.as("count")])
    .groupBy("status")
    .execute();
}

function visible(db: Db, owner: string) {
  return db
    .selectFrom("sandboxes")
    .selectAll()
    .where("owner", "=", owner)
    .where((eb) =>
      eb.or([
        eb("status", "<>", "stopped"),
        eb("stopped_at", ">", sql<Date>`now() - ${sql.lit(STOPPED_VISIBLE)}::interval`),
      ]),
    );
}
