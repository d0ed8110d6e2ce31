// Making a sandbox: template, place, row, host, row. Whatever fails, nothing half-made stays.
import type { CreateSandboxRequest } from "@wrenn/api";
import { BOUNDS, WrennError } from "@wrenn/core";
import { insertSandboxes } from "../db/queries/sandbox-insert.ts";
import { moveSandbox } from "../db/queries/sandbox-move.ts";
import { referenceOf } from "../db/queries/template-reference.ts";
import type { Isolation, OnTimeout, SandboxNetwork, SandboxRow, TemplateRow, TtlMode } from "../db/schema.ts";
import type { Host } from "../hosts/host.ts";
import { placeSandbox } from "../hosts/placement.ts";
import { abandon } from "./abandon.ts";
import { atTime } from "./at-time.ts";
import type { Caller } from "./caller.ts";
import { offerColdStart } from "./cold-start.ts";
import { egressOf } from "./egress.ts";
import { checkMetadata } from "./metadata.ts";
import { withNewIds } from "./new-ids.ts";
import { sandboxEvent } from "./sandbox-event.ts";
import type { SandboxContext } from "./sandboxes.ts";

/** What only some façades let a caller choose. */
export interface CreateOptions extends CreateSandboxRequest {
  ttl_mode?: TtlMode;
  auto_resume?: boolean;
  /** What traffic to its ports has to show. */
  traffic_token?: string;
  network?: SandboxNetwork;
  /** What to begin with when that has no name; `template` is what people see then. */
  origin?: TemplateRow;
}

const DEFAULT_TEMPLATE = "minimal";

/** Throws what the template, the quota, the placement or the host refuses with. */
export async function createSandbox(
  context: SandboxContext,
  caller: Caller,
  request: CreateOptions,
): Promise<SandboxRow> {
  checkMetadata(request.metadata);
  const name = request.template ?? DEFAULT_TEMPLATE;
  const template = request.origin ?? (await context.templates.usable(caller, name));
  try {
    return await createFrom(context, { caller, request, template });
  } catch (reason) {
    // A snapshot that was overwritten meanwhile has new content under the same name.
    const now = await changedContent(context, caller, { template, reason });
    if (!now) throw reason;
    return await createFrom(context, { caller, request, template: now });
  }
}

interface Order {
  caller: Caller;
  request: CreateOptions;
  template: TemplateRow;
}

async function createFrom(context: SandboxContext, order: Order): Promise<SandboxRow> {
  const { request, template } = order;
  const size = sizeOf(template, request);
  const demand = { template: template.store_name, minIsolation: request.min_isolation };
  const host = placeSandbox(await hostsWith(context, template.store_name), demand);
  return await withNewIds(1, ([id = ""]) =>
    context.inFlight.run(id, async () => {
      const row = await insertRow(context, { ...order, id, host, size });
      return await startOnHost(context, { ...order, row, host });
    }),
  );
}

/** The hosts as they are known; asked again when none of them held the template when it was last asked. */
async function hostsWith({ hosts }: SandboxContext, storeName: string): Promise<Host[]> {
  const known = hosts.reachable();
  if (known.some((host) => host.templates.has(storeName))) return known;
  await hosts.refresh();
  return hosts.reachable();
}

export async function changedContent(
  { templates }: SandboxContext,
  caller: Caller,
  { template, reason }: { template: TemplateRow; reason: unknown },
): Promise<TemplateRow | undefined> {
  if (template.type !== "snapshot" || !(reason instanceof WrennError)) return undefined;
  if (reason.code !== "not_found" && reason.code !== "unavailable") return undefined;
  const now = await templates.find(caller, referenceOf(template));
  return now?.status === "ready" && now.store_name !== template.store_name ? now : undefined;
}

interface Size {
  vcpus: number;
  memory_mb: number;
  disk_mb: number;
}

/** A snapshot holds processors, memory and disk as they were, so they cannot be chosen anew. */
function sizeOf(template: TemplateRow, request: CreateSandboxRequest): Size {
  const defaults: Size = {
    vcpus: BOUNDS.vcpus.default,
    memory_mb: BOUNDS.memory_mb.default,
    disk_mb: BOUNDS.disk_mb.default,
  };
  const size = { ...defaults };
  for (const field of ["vcpus", "memory_mb", "disk_mb"] as const) {
    const fixed = template.type === "base" ? null : template[field];
    const asked = request[field];
    if (fixed !== null && asked !== undefined && asked !== fixed) {
      throw new WrennError("invalid_argument", `snapshot ${template.name} fixes ${field} at ${fixed}`, {
        field,
      });
    }
    size[field] = fixed ?? asked ?? defaults[field];
  }
  return size;
}

async function insertRow(
  { db, worker, maxRunning }: SandboxContext,
  { caller, request, id, template, host, size }: Order & { id: string; host: Host; size: Size },
): Promise<SandboxRow> {
  const [row] = await insertSandboxes(db, {
    owner: caller.owner,
    defaultMaxRunning: maxRunning,
    rows: [
      {
        ...size,
        id,
        owner: caller.owner,
        status: "pending",
        template: request.origin ? (request.template ?? DEFAULT_TEMPLATE) : template.name,
        host_id: host.id,
        isolation: host.isolation,
        timeout_sec: request.timeout_sec ?? BOUNDS.timeout_sec.default,
        on_timeout: request.on_timeout ?? "destroy",
        ttl_mode: request.ttl_mode ?? "inactivity",
        auto_resume: request.auto_resume ?? false,
        traffic_token: request.traffic_token ?? null,
        network: request.network ? JSON.stringify(request.network) : null,
        metadata: JSON.stringify(request.metadata ?? {}),
        worker,
      },
    ],
  });
  if (!row) throw new WrennError("internal", `sandbox ${id} could not be recorded`);
  return row;
}

async function startOnHost(
  context: SandboxContext,
  { caller, request, row, host, template }: Order & { row: SandboxRow; host: Host },
): Promise<SandboxRow> {
  const { db, worker } = context;
  const { id } = row;
  try {
    if (!(await moveSandbox(db, { id, from: ["pending"], to: "starting", worker })))
      throw deletedMeanwhile(id);
    const create = host.client.call(
      "createSandbox",
      {
        sandboxId: id,
        template: template.store_name,
        vcpus: row.vcpus,
        memoryMb: row.memory_mb,
        // A snapshot has the disk that it has: 0 = that one.
        diskMb: template.type === "snapshot" ? 0 : row.disk_mb,
        timeoutSec: row.timeout_sec,
        envs: request.envs ?? {},
        onTimeout: request.on_timeout ?? "",
        minIsolation: request.min_isolation ?? "",
        start: request.start ?? "",
        ttlMode: row.ttl_mode,
        ...(request.network && { egress: egressOf(request.network) }),
      },
      {
        attempted: `starting sandbox ${id}`,
        requestId: caller.requestId,
        timeoutMs: context.createTimeoutMs,
      },
    );
    const made = await create.catch(offerColdStart('create it with {"start":"cold"}', request.start));
    const set = {
      host_ip: made.hostIp || null,
      guest_ip: made.guestIp || null,
      isolation: oneOf<Isolation>(made.isolation, ["kvm", "tcg"], host.isolation),
      on_timeout: oneOf<OnTimeout>(made.onTimeout, ["pause", "destroy"], row.on_timeout),
      expires_at: atTime(row.ttl_mode === "deadline" ? made.expiresAtUnixMs : 0n),
    };
    const audit = sandboxEvent("create", caller, id, { template: row.template });
    const running = await moveSandbox(db, { id, from: ["starting"], to: "running", set, audit });
    if (!running) throw deletedMeanwhile(id);
    return running;
  } catch (reason) {
    const error = WrennError.from(reason, `starting sandbox ${id} failed`);
    await abandon(context, host, { ids: [id], error });
    throw error;
  }
}

function deletedMeanwhile(id: string): WrennError {
  return new WrennError("invalid_state", `sandbox ${id} was deleted while it started`);
}

function oneOf<T extends string>(value: string, allowed: readonly T[], fallback: T): T {
  return allowed.find((candidate) => candidate === value) ?? fallback;
}
