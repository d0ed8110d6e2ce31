// Snapshots: templates that belong to an owner. A row names content on a host; content that no row names is garbage.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { TemplateRow } from "../schema.ts";

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
}

/** `replaced`: what the name stood for before; its content is garbage now. */
export type Recorded = { row: TemplateRow; replaced?: string };

/**
 * Lets a name stand for content that a host has made; with `overwrite`, in place of what it stood for. One
 * transaction: whoever looks meanwhile finds the old content or the new. Nothing when the name is taken.
 */
export async function recordSnapshot(
  db: Db,
  snapshot: NewSnapshot,
  { overwrite }: { overwrite: boolean },
): Promise<Recorded | undefined> {
  const { storeName: store_name, sizeBytes: size_bytes, ...rest } = snapshot;
  const values = { ...rest, store_name, size_bytes, type: "snapshot" as const, status: "ready" as const };
  return await db.transaction().execute(async (tx) => {
    for (;;) {
      const row = await tx
        .insertInto("templates")
        .values(values)
        .onConflict((conflict) => conflict.columns(["owner", "name"]).doNothing())
        .returningAll()
        .executeTakeFirst();
      if (row) return { row };
      if (!overwrite) return undefined;
      const old = await tx
        .selectFrom("templates")
        .select("store_name")
        .where("owner", "=", snapshot.owner)
        .where("name", "=", snapshot.name)
        .forUpdate()
        .executeTakeFirst();
      // Deleted a moment ago: the name is free again.
      if (!old) continue;
      const now = sql<Date>`now()`;
      const replaced = await tx
        .updateTable("templates")
        .set({ ...values, created_at: now, last_updated: now })
        .where("store_name", "=", old.store_name)
        .returningAll()
        .executeTakeFirstOrThrow();
      return { row: replaced, replaced: old.store_name };
    }
  });
}

/** Takes a snapshot's name away. Returns what it stood for; nothing when there was none. */
export async function forgetSnapshot(db: Db, owner: string, name: string): Promise<string | undefined> {
  const row = await db
    .deleteFrom("templates")
    .where("owner", "=", owner)
    .where("name", "=", name)
    .where("type", "=", "snapshot")
    .returning("store_name")
    .executeTakeFirst();
  return row?.store_name;
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
    .execute();
  return new Map(rows.map(({ store_name, owner, name }) => [store_name, { owner, name }]));
}
