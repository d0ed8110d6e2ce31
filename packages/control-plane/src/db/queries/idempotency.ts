// Answers to requests that carried an Idempotency-Key.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import { workerIsGone } from "../worker.ts";

/** How long a key stands for its request. */
export const IDEMPOTENCY_KEPT_HOURS = 24;
export const IDEMPOTENCY_KEPT = `${IDEMPOTENCY_KEPT_HOURS} hours`;

export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  /** Absent: too large to be kept. */
  body?: string;
}

/** What is known about a key. */
export type KeyState =
  | { state: "claimed" }
  | { state: "running" }
  | { state: "mismatch" }
  | { state: "answered"; answer: KeptAnswer };

export interface Claim {
  owner: string;
  key: string;
  /** SHA-256 of what the request asks for. */
  fingerprint: Buffer;
  worker: number;
}

/**
 * Takes the key for a request, or says what it stands for already. One statement decides, so that of two
 * requests at the same time one runs. A key whose control plane died before answering can be taken again.
 *
 * The caller lets no two requests of its own with one key run at once. So a key of its own without an answer is a
 * left-over, of a claim whose result was lost or of a release that failed, and with `takesOwn` it is taken, by
 * whatever request. Another control plane's key is left alone as long as that one holds its lock.
 */
export async function claimKey(db: Db, claim: Claim, { takesOwn }: { takesOwn: boolean }): Promise<KeyState> {
  const claimed = await db
    .insertInto("idempotency_keys")
    .values(claim)
    .onConflict((conflict) =>
      conflict
        .columns(["owner", "key"])
        .doUpdateSet({ ...claim, status: null, headers: null, body: null, created_at: sql<Date>`now()` })
        .where((eb) =>
          eb.or([
            eb("idempotency_keys.created_at", "<", sql<Date>`now() - ${sql.lit(IDEMPOTENCY_KEPT)}::interval`),
            eb.and([
              eb("idempotency_keys.status", "is", null),
              eb("idempotency_keys.fingerprint", "=", claim.fingerprint),
              // Our own lock may be gone for a moment; that says nothing about our own keys.
              eb("idempotency_keys.worker", "!=", claim.worker),
              workerIsGone("idempotency_keys"),
            ]),
            eb.and([
              sql<boolean>`${takesOwn}::boolean`,
              eb("idempotency_keys.status", "is", null),
              eb("idempotency_keys.worker", "=", claim.worker),
            ]),
          ]),
        ),
    )
    .returning("key")
    .executeTakeFirst();
  return claimed ? { state: "claimed" } : await readKey(db, claim);
}

/**
 * Keeps the answer of the request that holds the key. Also when the row is gone, as after an earlier release
 * that seemed to fail and that the server carried out late; not when another control plane has taken the key.
 */
export async function keepAnswer(db: Db, claim: Claim, answer: KeptAnswer): Promise<void> {
  const kept = {
    ...claim,
    status: answer.status,
    headers: JSON.stringify(answer.headers),
    body: answer.body ?? null,
  };
  await db
    .insertInto("idempotency_keys")
    .values(kept)
    .onConflict((conflict) =>
      conflict
        .columns(["owner", "key"])
        .doUpdateSet(kept)
        .where("idempotency_keys.worker", "=", claim.worker)
        .where("idempotency_keys.status", "is", null),
    )
    .execute();
}

/** Gives the key back: the request changed nothing. */
export async function releaseKey(db: Db, { owner, key, worker }: Claim): Promise<void> {
  await db
    .deleteFrom("idempotency_keys")
    .where("owner", "=", owner)
    .where("key", "=", key)
    .where("worker", "=", worker)
    .where("status", "is", null)
    .execute();
}

async function readKey(db: Db, { owner, key, fingerprint }: Claim): Promise<KeyState> {
  const row = await db
    .selectFrom("idempotency_keys")
    .selectAll()
    .where("owner", "=", owner)
    .where("key", "=", key)
    .executeTakeFirst();
  if (row && !row.fingerprint.equals(fingerprint)) return { state: "mismatch" };
  // Without a row its holder gave it back a moment ago; the caller tries again, as while it runs.
  if (!row || row.status === null) return { state: "running" };
  const { status, headers, body } = row;
  return { state: "answered", answer: { status, headers: headers ?? {}, ...(body !== null && { body }) } };
}
