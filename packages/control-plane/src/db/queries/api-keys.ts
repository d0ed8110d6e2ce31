// API keys and the owners behind them. Only hashes come in here, never a secret.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { ApiKeyRow } from "../schema.ts";
import type { Position } from "./sandbox-find.ts";

/** Whom a key stands for. */
export interface KeyHolder {
  keyId: string;
  owner: string;
  operator: boolean;
}

/** The holder of a key that is not revoked. */
export async function findKeyHolder(db: Db, hash: Buffer): Promise<KeyHolder | undefined> {
  return await db
    .selectFrom("api_keys")
    .innerJoin("owners", "owners.id", "api_keys.owner")
    .select(["api_keys.id as keyId", "owners.id as owner", "owners.operator"])
    .where("hash", "=", hash)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
}

/** The holder of a key by its id, unless it was revoked. */
export async function findKeyHolderById(db: Db, keyId: string): Promise<KeyHolder | undefined> {
  return await db
    .selectFrom("api_keys")
    .innerJoin("owners", "owners.id", "api_keys.owner")
    .select(["api_keys.id as keyId", "owners.id as owner", "owners.operator"])
    .where("api_keys.id", "=", keyId)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
}

export interface NewKey {
  id: string;
  owner: string;
  name: string;
  prefix: string;
  hash: Buffer;
}

/** Stores a key, and its owner if there is none of that name yet. Does nothing for a hash that is there already. */
export async function insertKey(
  db: Db,
  key: NewKey,
  { operator = false } = {},
): Promise<ApiKeyRow | undefined> {
  return await db.transaction().execute(async (tx) => {
    await tx
      .insertInto("owners")
      .values({ id: key.owner, operator })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
    return await tx
      .insertInto("api_keys")
      .values(key)
      .onConflict((conflict) => conflict.column("hash").doNothing())
      .returningAll()
      .executeTakeFirst();
  });
}

/** An owner's keys, newest first, with the revoked ones. */
export async function listKeys(
  db: Db,
  { owner, after, limit }: { owner: string; after?: Position | undefined; limit?: number | undefined },
): Promise<ApiKeyRow[]> {
  let query = db
    .selectFrom("api_keys")
    .selectAll()
    .where("owner", "=", owner)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc");
  if (after)
    query = query.where(sql<boolean>`(created_at, id) < (${new Date(after.createdAt)}, ${after.id})`);
  if (limit !== undefined) query = query.limit(limit);
  return await query.execute();
}

/** Revokes a key. False when the owner has none of that id; revoking again changes nothing. */
export async function revokeKey(db: Db, owner: string, id: string): Promise<boolean> {
  const row = await db
    .updateTable("api_keys")
    .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
    .where("owner", "=", owner)
    .where("id", "=", id)
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes when keys were last used. */
export async function noteKeyUse(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.updateTable("api_keys").set({ last_used_at: sql<Date>`now()` }).where("id", "in", ids).execute();
}
