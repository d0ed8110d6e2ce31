// Snapshots: templates that belong to an owner. A row names content on a host; content that no row names is garbage.
import { type Insertable, sql } from "kysely";
import type { Db } from "../connect.ts";
import type { Database, TemplateConfig, TemplateRow } from "../schema.ts";
import { DEFAULT_TAG } from "./template-reference.ts";

export interface NewSnapshot {
  owner: string;
  name: string;
  storeName: string;
  /** What it was taken of. */
  sandbox_id: string;
  vcpus: number;
  memory_mb: number;
  disk_mb: number;
  sizeBytes: number;
  config?: TemplateConfig | undefined;
}

export interface Naming {
  /** Whether the name may stand for something already. */
  overwrite: boolean;
  /** `default`, the name itself, when left out. */
  tags?: readonly string[];
  type?: "snapshot" | "layer";
}

/** `replaced`: what its names stood for before; it is garbage unless another name stands for it. */
export type Recorded = { row: TemplateRow; replaced: string[] };

/**
 * Lets a name, with each of the tags, stand for content that a host has made; with `overwrite`, in place of what it
 * stood for. One transaction: whoever looks meanwhile finds the old content or the new. Nothing when the name is taken.
 */
export async function recordSnapshot(
  db: Db,
  snapshot: NewSnapshot,
  { overwrite, tags = [DEFAULT_TAG], type = "snapshot" }: Naming,
): Promise<Recorded | undefined> {
  const { storeName: store_name, sizeBytes: size_bytes, config, ...rest } = snapshot;
  const status = "ready" as const;
  const values = { ...rest, store_name, size_bytes, type, status, config: asJson(config) };
  return await db.transaction().execute(async (tx) => {
    await lockName(tx, values.owner, values.name);
    const replaced: string[] = [];
    const rows: TemplateRow[] = [];
    for (const tag of tags) {
      const written = await put(tx, { ...values, tag }, overwrite);
      if (!written) return undefined;
      rows.push(written.row);
      if (written.old !== undefined) replaced.push(written.old);
    }
    const row = rows.find(({ tag }) => tag === tags[0]) ?? rows[0];
    return row && { row, replaced };
  });
}

/** Writes one name's row. Nothing when there is one that may not be overwritten. */
async function put(
  tx: Db,
  values: Insertable<Database["templates"]> & { owner: string; tag: string },
  overwrite: boolean,
): Promise<{ row: TemplateRow; old?: string } | undefined> {
  for (;;) {
    const row = await tx
      .insertInto("templates")
      .values(values)
      .onConflict((conflict) => conflict.columns(["owner", "name", "tag"]).doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row) return { row };
    if (!overwrite) return undefined;
    const named = tx
      .selectFrom("templates")
      .select("store_name")
      .where("owner", "=", values.owner)
      .where("name", "=", values.name)
      .where("tag", "=", values.tag);
    const old = await named.forUpdate().executeTakeFirst();
    // Deleted a moment ago: the name is free again.
    if (!old) continue;
    const now = sql<Date>`now()`;
    const replaced = await tx
      .updateTable("templates")
      .set({ ...values, created_at: now, last_updated: now })
      .where("owner", "=", values.owner)
      .where("name", "=", values.name)
      .where("tag", "=", values.tag)
      .returningAll()
      .executeTakeFirstOrThrow();
    return { row: replaced, old: old.store_name };
  }
}

/** Lets tags of a name stand for what `source` stands for. Returns what they stood for before, or nothing without it. */
export async function assignTags(
  db: Db,
  { owner, name, source, tags }: { owner: string; name: string; source: string; tags: readonly string[] },
): Promise<Recorded | undefined> {
  return await db.transaction().execute(async (tx) => {
    await lockName(tx, owner, name);
    const row = await tx
      .selectFrom("templates")
      .selectAll()
      .where("owner", "=", owner)
      .where("name", "=", name)
      .where("tag", "=", source)
      .where("type", "=", "snapshot")
      .executeTakeFirst();
    if (!row) return undefined;
    const replaced: string[] = [];
    const { created_at: _, last_updated: __, ...rest } = row;
    const values = { ...rest, config: asJson(row.config ?? undefined) };
    for (const tag of tags) {
      if (tag === source) continue;
      const written = await put(tx, { ...values, owner, tag }, true);
      if (written?.old !== undefined) replaced.push(written.old);
    }
    return { row, replaced };
  });
}

/**
 * One at a time for each name, until the transaction's end. Locks on the rows would not do: two transactions that see
 * different rows take them in different orders.
 */
async function lockName(tx: Db, owner: string, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`template ${owner}/${name}`}, 0))`.execute(tx);
}

/** The names that a snapshot has, the newest first. */
export async function tagsOf(db: Db, owner: string, name: string): Promise<TemplateRow[]> {
  return await db
    .selectFrom("templates")
    .selectAll()
    .where("owner", "=", owner)
    .where("name", "=", name)
    .where("type", "=", "snapshot")
    .orderBy("created_at", "desc")
    .orderBy("tag")
    .execute();
}

/** Takes a snapshot's names away: all of them, or these tags. Returns what they stood for; nothing when there were none. */
export async function forgetSnapshot(
  db: Db,
  owner: string,
  name: string,
  tags?: readonly string[],
): Promise<string[]> {
  return await db.transaction().execute(async (tx) => {
    // Whoever is giving it another tag has the lock: the deletion sees that tag, too.
    await lockName(tx, owner, name);
    let query = tx
      .deleteFrom("templates")
      .where("owner", "=", owner)
      .where("name", "=", name)
      .where("type", "=", "snapshot");
    if (tags) query = query.where("tag", "in", [...tags]);
    const rows = await query.returning("store_name").execute();
    return rows.map((row) => row.store_name);
  });
}

/** Which of these contents have a name, and whose. */
export async function namesOfStores(
  db: Db,
  storeNames: readonly string[],
): Promise<Map<string, { owner: string | null; name: string }>> {
  if (storeNames.length === 0) return new Map();
  const rows = await db
    .selectFrom("templates")
    .select(["store_name", "owner", "name"])
    .where("store_name", "in", storeNames)
    .orderBy("created_at", "desc")
    .execute();
  return new Map(rows.map(({ store_name, owner, name }) => [store_name, { owner, name }]));
}

function asJson(config: TemplateConfig | undefined): string | null {
  return config ? JSON.stringify(config) : null;
}
