// New sandbox rows, under the owner's quota.
import type { Db } from "../connect.ts";
import type { NewSandboxRow, SandboxRow } from "../schema.ts";
import { type Quota, withinQuota } from "./quota.ts";

export interface InsertSandboxes extends Quota {
  rows: readonly NewSandboxRow[];
}

/** Inserts all rows or none. Throws `capacity` when the owner would run more than allowed. */
export async function insertSandboxes(db: Db, { rows, ...quota }: InsertSandboxes): Promise<SandboxRow[]> {
  return await withinQuota(db, quota, (tx) =>
    tx.insertInto("sandboxes").values(rows).returningAll().execute(),
  );
}
