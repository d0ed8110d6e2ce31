// Layers of template builds: rows of templates that no list shows, found by the key of their history.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { TemplateRow } from "../schema.ts";

/** Their tag: none that a client may give. */
export const LAYER_TAG = ":layer";

/** The owner's layers among these keys; each counts as used now. */
export async function useLayers(db: Db, owner: string, keys: readonly string[]): Promise<TemplateRow[]> {
  if (keys.length === 0) return [];
  return await db
    .updateTable("templates")
    .set({ last_updated: sql<Date>`now()` })
    .where("type", "=", "layer")
    .where("owner", "=", owner)
    .where("name", "in", [...keys])
    .returningAll()
    .execute();
}

/**
 * Forgets the layers that have not been used for longest until what is left is within the bounds, those of all owners
 * together. Returns what they stood for.
 */
export async function evictLayers(
  db: Db,
  { maxBytes, maxCount }: { maxBytes: number; maxCount: number },
): Promise<string[]> {
  const { rows } = await sql<{ store_name: string }>`
    delete from templates where type = 'layer' and store_name in (
      select store_name from (
        select store_name,
          sum(size_bytes) over (order by last_updated desc, store_name) as bytes,
          row_number() over (order by last_updated desc, store_name) as number
        from templates where type = 'layer'
      ) as layers
      where bytes > ${maxBytes} or number > ${maxCount}
    ) returning store_name`.execute(db);
  return rows.map(({ store_name }) => store_name);
}

/** Forgets one layer, unless its key stands for another one by now. Returns what it stood for, if it was still there. */
export async function forgetLayer(db: Db, { owner, name, store_name }: TemplateRow): Promise<string[]> {
  const rows = await db
    .deleteFrom("templates")
    .where("type", "=", "layer")
    .where("owner", "=", owner)
    .where("name", "=", name)
    .where("store_name", "=", store_name)
    .returning("store_name")
    .execute();
  return rows.map(({ store_name }) => store_name);
}
