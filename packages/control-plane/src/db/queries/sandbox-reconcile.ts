// What the reconciler reads.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { SandboxRow } from "../schema.ts";
import { workerIsGone } from "../worker.ts";
import { STOPPED_VISIBLE } from "./sandbox-find.ts";

export type ReconcileRow = SandboxRow & {
  /** No control plane that lives is moving it. */
  orphaned: boolean;
};

/** The rows of a host that are not stopped. */
export async function liveSandboxesOfHost(db: Db, hostId: string): Promise<ReconcileRow[]> {
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .select(workerIsGone("sandboxes").as("orphaned"))
    .where("host_id", "=", hostId)
    .where("status", "<>", "stopped")
    .execute();
}

/**
 * Which of these ids somebody may want: a row is not stopped, or ended unasked and still answers, since its disk may be
 * there. Whatever host the row names: ids are not given twice, and a host that goes by another name has lost nothing.
 */
export async function wantedSandboxes(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom("sandboxes")
    .select("id")
    .where((eb) => eb.or([eb("status", "<>", "stopped"), endedUnasked()]))
    .where("id", "in", ids)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** Rows that have ended unasked, or are broken, of these ids. */
export async function endedOnHost(db: Db, hostId: string, ids: readonly string[]): Promise<ReconcileRow[]> {
  if (ids.length === 0) return [];
  return await db
    .selectFrom("sandboxes")
    .selectAll()
    .select(workerIsGone("sandboxes").as("orphaned"))
    .where("host_id", "=", hostId)
    .where((eb) => eb.or([eb("status", "=", "error"), endedUnasked()]))
    .where("id", "in", ids)
    .execute();
}

function endedUnasked() {
  return sql<boolean>`(status = 'stopped' and deleted_at is null
    and stopped_at > now() - ${sql.lit(STOPPED_VISIBLE)}::interval)`;
}
