// The machines, as they last described themselves.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { HostRow, NewHostRow } from "../schema.ts";

/** Records what a host said about itself. */
export async function recordHost(db: Db, host: NewHostRow): Promise<void> {
  const { id: _, ...facts } = host;
  await db
    .insertInto("hosts")
    .values(host)
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ ...facts, last_seen_at: sql<Date>`now()` }))
    .execute();
}

/** All hosts that ever answered. */
export async function listHosts(db: Db): Promise<HostRow[]> {
  return await db.selectFrom("hosts").selectAll().orderBy("id").execute();
}
