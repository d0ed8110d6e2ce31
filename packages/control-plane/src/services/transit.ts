// Taking a sandbox from one settled status to another, over an unsettled one, around one call to its host.
import { type ErrorCode, type SandboxStatus, WrennError } from "@wrenn/core";
import { type AuditEvent, recordAudit } from "../db/queries/audit.ts";
import { findSandboxById } from "../db/queries/sandbox-find.ts";
import { type Move, moveSandbox, moveWithinQuota } from "../db/queries/sandbox-move.ts";
import type { SandboxRow } from "../db/schema.ts";
import { wasNeverSent } from "../hosts/errors.ts";
import { notOnHost } from "./not-on-host.ts";
import type { SandboxContext } from "./sandboxes.ts";

/** After these nobody knows what the host did; the reconciler asks it. */
const UNCERTAIN: readonly ErrorCode[] = ["unavailable", "deadline_exceeded", "internal"];

export interface Transition {
  from: SandboxStatus;
  via: SandboxStatus;
}

/** Where the call to the host has brought the sandbox. */
export interface Arrival {
  to: SandboxStatus;
  set?: Move["set"];
  /** Recorded together with it. Left out: it is where it was before. */
  audit?: AuditEvent;
}

/**
 * Takes a row through an unsettled status. Throws `invalid_state` when it is no longer in the status to come from,
 * and `capacity` when it would take a place that its owner has not got. A call that failed for certain puts the row
 * back; after an uncertain failure it stays unsettled until the reconciler has asked the host.
 */
export async function transit(
  context: SandboxContext,
  row: SandboxRow,
  { from, via }: Transition,
  act: () => Promise<Arrival>,
): Promise<SandboxRow> {
  const { db, inFlight, worker, maxRunning } = context;
  const { id, owner } = row;
  return await inFlight.run(id, async () => {
    const begin: Move = { id, from: [from], to: via, worker };
    const quota = { owner, defaultMaxRunning: maxRunning };
    // Only a paused or a stopped sandbox does not hold a place already.
    const begun =
      from === "paused" || from === "stopped"
        ? await moveWithinQuota(db, quota, begin)
        : await moveSandbox(db, begin);
    if (!begun) throw changed(id, from);
    // Deleted meanwhile, and resumed after that, it is in the same unsettled status, and not this call's to settle.
    const unmovedSince = begun.moves;
    let arrival: Arrival;
    try {
      arrival = await act().catch(notOnHost(id));
    } catch (reason) {
      const error = WrennError.from(reason, `moving sandbox ${id} failed`);
      // Also when it is put back: a host that failed half-way may have left it elsewhere, and said so in its list.
      context.unsettled();
      // A resume that is refused does not make a sandbox's end a later one.
      const back: Move = { id, from: [via], to: from, unmovedSince, set: { stopped_at: row.stopped_at } };
      if (!isUncertain(error) && !(await moveSandbox(db, back))) throw changed(id, via);
      throw error;
    }
    const { to, set, audit } = arrival;
    const moved = await moveSandbox(db, { id, from: [via], to, unmovedSince, audit, ...(set && { set }) });
    if (moved) return moved;
    const settled = await settledElsewhere(context, id, arrival, via);
    if (audit) await recordAudit(db, audit);
    return settled;
  });
}

function isUncertain(error: WrennError): boolean {
  if (error.code === "unavailable" && wasNeverSent(error)) return false;
  return UNCERTAIN.includes(error.code);
}

/** Another control plane that took this one for dead may have asked the host, and settled the row the same way. */
async function settledElsewhere(
  { db }: SandboxContext,
  id: string,
  { to }: Arrival,
  via: SandboxStatus,
): Promise<SandboxRow> {
  const row = await findSandboxById(db, id);
  if (row?.status !== to) throw changed(id, via);
  return row;
}

function changed(id: string, expected: SandboxStatus): WrennError {
  return new WrennError(
    "invalid_state",
    `sandbox ${id} is no longer ${expected}: something else moved it meanwhile`,
  );
}
