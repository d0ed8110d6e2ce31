// Copying a running sandbox: rows first, within the quota, then one call to its host. All copies come to be, or none.
import type { ForkRequest } from "@wrenn/api";
import { BOUNDS, WrennError } from "@wrenn/core";
import type { ForkSandboxResponse } from "@wrenn/rpc/hostagent";
import { findSandboxById } from "../db/queries/sandbox-find.ts";
import { insertSandboxes } from "../db/queries/sandbox-insert.ts";
import { moveSandboxes } from "../db/queries/sandbox-move.ts";
import type { NewSandboxRow, SandboxRow } from "../db/schema.ts";
import type { Host } from "../hosts/host.ts";
import { abandon, destroyOnHost } from "./abandon.ts";
import type { Caller } from "./caller.ts";
import { checkMetadata } from "./metadata.ts";
import { withNewIds } from "./new-ids.ts";
import { notOnHost } from "./not-on-host.ts";
import type { SandboxContext } from "./sandboxes.ts";

interface Fork {
  caller: Caller;
  source: SandboxRow;
  metadata: Record<string, string>;
  ids: string[];
  host: Host;
}

/** Throws what the quota or the host refuses with; then there is no copy. */
export async function forkSandbox(
  context: SandboxContext,
  caller: Caller,
  source: SandboxRow,
  request: ForkRequest,
): Promise<SandboxRow[]> {
  checkMetadata(request.metadata);
  const { count = BOUNDS.fork_count.default, metadata = source.metadata } = request;
  const host = context.hosts.get(source.host_id);
  return await withNewIds(count, (ids) =>
    context.inFlight.run(ids, () => fork(context, { caller, source, metadata, ids, host })),
  );
}

async function fork(context: SandboxContext, order: Fork): Promise<SandboxRow[]> {
  const { db, maxRunning } = context;
  const { caller, source, ids, host } = order;
  await insertSandboxes(db, {
    owner: source.owner,
    defaultMaxRunning: maxRunning,
    rows: ids.map((id) => copyOf(order, id, context.worker)),
  });
  try {
    const call = host.client.call(
      "forkSandbox",
      { sandboxId: source.id, forkIds: ids },
      {
        attempted: `forking sandbox ${source.id}`,
        requestId: caller.requestId,
        timeoutMs: context.createTimeoutMs,
      },
    );
    const answer = await call.catch(notOnHost(source.id));
    const rows = await recordForks(context, order, answer);
    context.log.info(
      { sandbox_id: source.id, count: ids.length, stopped_ms: Number(answer.stoppedMicros) / 1000 },
      "forked",
    );
    return rows;
  } catch (reason) {
    const error = WrennError.from(reason, `forking sandbox ${source.id} failed`);
    await abandon(context, host, { ids, error });
    throw error;
  }
}

/** What a copy has in common with its source, its protection included; its clock and its addresses are its own. */
function copyOf({ source, metadata }: Fork, id: string, worker: number): NewSandboxRow {
  const { owner, template, host_id, vcpus, memory_mb, disk_mb, isolation } = source;
  const { timeout_sec, on_timeout, ttl_mode, auto_resume, traffic_token, network } = source;
  return {
    id,
    owner,
    status: "starting",
    template,
    host_id,
    vcpus,
    memory_mb,
    disk_mb,
    isolation,
    timeout_sec,
    on_timeout,
    ttl_mode,
    auto_resume,
    traffic_token,
    network: network && JSON.stringify(network),
    metadata: JSON.stringify(metadata),
    worker,
  };
}

/** All rows become `running` at once. One that was deleted meanwhile stays so, and its machine goes. */
async function recordForks(
  context: SandboxContext,
  { ids, host, source }: Fork,
  { forks }: ForkSandboxResponse,
): Promise<SandboxRow[]> {
  const { ttl_mode, timeout_sec } = source;
  const limited = ttl_mode === "deadline" && timeout_sec > 0;
  const expires_at = limited ? new Date(Date.now() + timeout_sec * 1000) : null;
  const made = new Map(forks.map((fork) => [fork.sandboxId, fork]));
  const moves = ids.map((id) => {
    const fork = made.get(id);
    if (!fork) throw new WrennError("internal", `the host left out fork ${id} of sandbox ${source.id}`);
    const set = { host_ip: fork.hostIp || null, guest_ip: fork.guestIp || null, expires_at };
    return { id, from: ["starting"], to: "running", set } as const;
  });
  const rows = await moveSandboxes(context.db, moves);
  return await Promise.all(ids.map(async (id, at) => rows[at] ?? (await dropDeleted(context, host, id))));
}

async function dropDeleted({ db, log }: SandboxContext, host: Host, id: string): Promise<SandboxRow> {
  try {
    await destroyOnHost(host, id);
  } catch (reason) {
    log.warn({ sandbox_id: id, err: reason }, "could not destroy a deleted fork; the reconciler will");
  }
  const row = await findSandboxById(db, id);
  if (!row) throw new WrennError("internal", `fork ${id} has no row`);
  return row;
}
