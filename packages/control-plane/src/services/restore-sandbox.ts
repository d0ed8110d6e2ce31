// Rolling a sandbox back to a snapshot or to its base template, in place.
import type { RestoreRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { SandboxRow, TemplateRow } from "../db/schema.ts";
import { atTime } from "./at-time.ts";
import type { Caller } from "./caller.ts";
import { offerColdStart } from "./cold-start.ts";
import { changedContent } from "./create-sandbox.ts";
import { sandboxEvent } from "./sandbox-event.ts";
import type { SandboxContext } from "./sandboxes.ts";
import { type Arrival, transit } from "./transit.ts";

/** Restoring a running sandbox, or a paused one; it runs afterwards. */
export async function restoreSandbox(
  context: SandboxContext,
  caller: Caller,
  row: SandboxRow,
  { snapshot }: RestoreRequest,
): Promise<SandboxRow> {
  const template = await context.templates.usable(caller, snapshot, { field: "snapshot" });
  assertFits(template, row);
  const from = row.status === "paused" ? "paused" : "running";
  const audit = sandboxEvent("restore", caller, row.id, { snapshot });
  return await transit(context, row, { from, via: "resuming" }, async () => {
    const to = (target: TemplateRow) => restoreOnHost(context, caller, { row, snapshot, target });
    const restored = await to(template).catch(async (reason: unknown) => {
      // A snapshot that was overwritten meanwhile has new content under the same name; the host has changed nothing yet.
      const isGone = reason instanceof WrennError && reason.code === "not_found";
      const now = isGone ? await changedContent(context, caller, { template, reason }) : undefined;
      if (!now) throw reason;
      assertFits(now, row);
      return await to(now);
    });
    return { to: "running", set: restored, audit };
  });
}

/** Returns what the row is to say. */
async function restoreOnHost(
  context: SandboxContext,
  caller: Caller,
  { row, snapshot, target }: { row: SandboxRow; snapshot: string; target: TemplateRow },
): Promise<Arrival["set"]> {
  const host = context.hosts.get(row.host_id);
  const answer = await host.client
    .call(
      "restoreSandbox",
      { sandboxId: row.id, snapshot: target.store_name },
      {
        attempted: `restoring sandbox ${row.id} to ${snapshot}`,
        requestId: caller.requestId,
        timeoutMs: context.createTimeoutMs,
      },
    )
    .catch(namingSnapshot(snapshot))
    .catch(offerColdStart(`make a new sandbox from ${snapshot} with {"start":"cold"}`));
  const { disk_mb } = target;
  return {
    host_ip: answer.hostIp || null,
    error: null,
    expires_at: atTime(row.ttl_mode === "deadline" ? answer.expiresAtUnixMs : 0n),
    ...(disk_mb !== null && { disk_mb }),
  };
}

/** A snapshot holds memory and processors as they were; a base template has them in every size. */
function assertFits(template: TemplateRow, { id, vcpus, memory_mb }: SandboxRow): void {
  if (template.type === "base") return;
  if (template.vcpus === vcpus && template.memory_mb === memory_mb) return;
  throw new WrennError(
    "invalid_argument",
    `snapshot ${template.name} has ${template.vcpus} vcpus and ${template.memory_mb} MiB, ` +
      `sandbox ${id} has ${vcpus} and ${memory_mb}; make a new sandbox from it instead`,
    { field: "snapshot" },
  );
}

/**
 * Whatever the host finds wrong with the request is wrong with the snapshot: there is nothing else in it. The host knows it by
 * another name than the caller.
 */
function namingSnapshot(snapshot: string): (reason: unknown) => never {
  return (reason) => {
    if (!(reason instanceof WrennError) || reason.field === undefined) throw reason;
    const message =
      reason.code === "not_found" ? `the host has no snapshot ${snapshot} any more` : reason.message;
    throw new WrennError(reason.code, message, { field: "snapshot", cause: reason });
  };
}
