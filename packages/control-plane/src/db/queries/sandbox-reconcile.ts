// What the reconciler reads.
import type { Db } from "../connect.ts";
import type { SandboxRow } from "../schema.ts";
import { workerIsGone } from "../worker.ts";

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

/** Which of these ids a host may hold: a row that is not stopped names the host. */
export async function knownToHost(db: Db, hostId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("host_id", "=", hostId)
    .where("status", "<>", "stopped")
    .where("id", "in", ids)
    .execute();
  return new Set(rows.map((row) => row.id));
}
