// Tickets: one exec stream each, for browsers. In the database so that any control plane can redeem them.
import { sql } from "kysely";
import type { Db } from "../connect.ts";

/** Stores a ticket and returns when it stops working. */
export async function insertTicket(
  db: Db,
  ticket: { hash: Buffer; keyId: string; sandboxId: string; lifetimeSec: number },
): Promise<Date> {
  const { expires_at } = await db
    .insertInto("exec_tickets")
    .values({
      hash: ticket.hash,
      key_id: ticket.keyId,
      sandbox_id: ticket.sandboxId,
      expires_at: sql<Date>`now() + make_interval(secs => ${ticket.lifetimeSec})`,
    })
    .returning("expires_at")
    .executeTakeFirstOrThrow();
  return expires_at;
}

/** Uses a ticket up. Returns the key it was made with, unless it is unknown, used, late or for another sandbox. */
export async function redeemTicket(db: Db, hash: Buffer, sandboxId: string): Promise<string | undefined> {
  const row = await db
    .deleteFrom("exec_tickets")
    .where("hash", "=", hash)
    .where("sandbox_id", "=", sandboxId)
    .where("expires_at", ">", sql<Date>`now()`)
    .returning("key_id")
    .executeTakeFirst();
  return row?.key_id;
}
