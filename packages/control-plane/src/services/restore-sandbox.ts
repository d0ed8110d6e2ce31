// Rolling a sandbox back to a snapshot or to its base template, in place.
import type { RestoreRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { SandboxRow, TemplateRow } from "../db/schema.ts";
import type { Caller } from "./caller.ts";
import { offerColdStart } from "./cold-start.ts";
import { sandboxEvent } from "./sandbox-event.ts";
import type { SandboxContext } from "./sandboxes.ts";
import { transit } from "./transit.ts";

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
    const host = context.hosts.get(row.host_id);
    const answer = await host.client
      .call(
        "restoreSandbox",
        { sandboxId: row.id, snapshot: template.store_name },
        {
          attempted: `restoring sandbox ${row.id} to ${snapshot}`,
          requestId: caller.requestId,
          timeoutMs: context.createTimeoutMs,
        },
      )
      .catch(namingSnapshot)
      .catch(offerColdStart(`make a new sandbox from ${snapshot} with {"start":"cold"}`));
    const { disk_mb } = template;
    const set = { host_ip: answer.hostIp || null, error: null, ...(disk_mb !== null && { disk_mb }) };
    return { to: "running", set, audit };
  });
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

/** Whatever the host finds wrong with the request is wrong with the snapshot: there is nothing else in it. */
function namingSnapshot(reason: unknown): never {
  if (!(reason instanceof WrennError) || reason.field === undefined) throw reason;
  throw new WrennError(reason.code, reason.message, { field: "snapshot", cause: reason });
}
