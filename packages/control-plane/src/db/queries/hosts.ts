// The machines, as they last described themselves.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { HostRow, NewHostRow } from "../schema.ts";

/** How long a host may not have been recorded and nothing is made of it: too short to have served another database. */
const BLINK = "1 minute";

/** How far the clocks of a host and of the database may be apart, with what rounding adds. */
const CLOCKS_APART = "1 minute";

/**
 * Records what a host said about itself, and the time since this was recorded last when that is long: nobody has watched the host
 * meanwhile, or the database is an older copy of itself.
 */
export async function recordHost(db: Db, host: NewHostRow): Promise<void> {
  const { id: _, ...facts } = host;
  const unwatched = sql<string>`case when hosts.last_seen_at < now() - ${sql.lit(BLINK)}::interval
    then hosts.unwatched + tstzmultirange(tstzrange(hosts.last_seen_at, now())) else hosts.unwatched end`;
  await db
    .insertInto("hosts")
    .values(host)
    .onConflict((conflict) =>
      conflict.column("id").doUpdateSet({ ...facts, last_seen_at: sql<Date>`now()`, unwatched }),
    )
    .execute();
}

/** All hosts that ever answered. */
export async function listHosts(db: Db): Promise<HostRow[]> {
  return await db.selectFrom("hosts").selectAll().orderBy("id").execute();
}

/**
 * Which of these, with the seconds at which a host says that it made them, may be another database's: made while this one did
 * not see the host, as far as two clocks can tell, and no sandbox that it has a row of. A time of 0 is from before everything.
 */
export async function madeUnwatched(
  db: Db,
  hostId: string,
  made: ReadonlyMap<string, number>,
): Promise<Set<string>> {
  if (made.size === 0) return new Set();
  const { rows } = await sql<{ name: string }>`
    select made.name from unnest(${[...made.keys()]}::text[], ${[...made.values()]}::float8[]) as made (name, at)
    left join hosts on hosts.id = ${hostId}
    where (hosts.unwatched is null or hosts.unwatched && tstzrange(
        to_timestamp(made.at) - ${sql.lit(CLOCKS_APART)}::interval,
        to_timestamp(made.at) + ${sql.lit(CLOCKS_APART)}::interval, '[]'))
      and not exists (select from sandboxes where sandboxes.id = made.name)`.execute(db);
  return new Set(rows.map(({ name }) => name));
}
