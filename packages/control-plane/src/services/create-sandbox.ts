// Making a sandbox: template, place, row, host, row. Whatever fails, nothing half-made stays.
import type { CreateSandboxRequest } from "@wrenn/api";
import { BOUNDS, LIMITS, newSandboxId, WrennError } from "@wrenn/core";
import { insertSandboxes } from "../db/queries/sandbox-insert.ts";
import { forgetSandbox, moveSandbox } from "../db/queries/sandbox-move.ts";
import type { Isolation, OnTimeout, SandboxRow, TemplateRow } from "../db/schema.ts";
import type { Host } from "../hosts/host.ts";
import { placeSandbox } from "../hosts/placement.ts";
import type { Caller } from "./caller.ts";
import type { SandboxContext } from "./sandboxes.ts";

/** How often another id is tried when one is taken. At 82 random bits even one collision means a broken source. */
const ID_TRIES = 3;

/** PostgreSQL's unique_violation. */
const UNIQUE_VIOLATION = "23505";

const CLEANUP_TIMEOUT_MS = 30_000;

const DEFAULT_TEMPLATE = "minimal";

/** Throws what the template, the quota, the placement or the host refuses with. */
export async function createSandbox(
  context: SandboxContext,
  caller: Caller,
  request: CreateSandboxRequest,
): Promise<SandboxRow> {
  checkMetadata(request.metadata);
  const template = await context.templates.usable(caller, request.template ?? DEFAULT_TEMPLATE);
  const size = sizeOf(template, request);
  const hosts = context.hosts.reachable();
  const host = placeSandbox(hosts.length > 0 ? hosts : await context.hosts.fresh(), {
    template: template.store_name,
    minIsolation: request.min_isolation,
  });
  for (let tries = 1; ; tries++) {
    const id = newSandboxId();
    try {
      return await context.inFlight.run(id, async () => {
        const row = await insertRow(context, { caller, request, id, template, host, size });
        return await startOnHost(context, { caller, request, row, host, template });
      });
    } catch (reason) {
      if (!isUniqueViolation(reason) || tries === ID_TRIES) throw reason;
    }
  }
}

/** A bound on what is stored and sent with every list. */
export function checkMetadata(metadata: Record<string, string> | undefined): void {
  if (metadata && Buffer.byteLength(JSON.stringify(metadata)) > LIMITS.metadataBytes) {
    throw new WrennError(
      "invalid_argument",
      `metadata must be at most ${LIMITS.metadataBytes} bytes as JSON`,
      {
        field: "metadata",
      },
    );
  }
}

/** A snapshot holds memory and processors as they were, so they cannot be chosen anew. */
function sizeOf(template: TemplateRow, request: CreateSandboxRequest): { vcpus: number; memory_mb: number } {
  if (template.type === "base") {
    return {
      vcpus: request.vcpus ?? BOUNDS.vcpus.default,
      memory_mb: request.memory_mb ?? BOUNDS.memory_mb.default,
    };
  }
  for (const field of ["vcpus", "memory_mb"] as const) {
    const asked = request[field];
    if (asked !== undefined && asked !== template[field]) {
      throw new WrennError(
        "invalid_argument",
        `snapshot ${template.name} fixes ${field} at ${template[field]}`,
        { field },
      );
    }
  }
  return { vcpus: template.vcpus, memory_mb: template.memory_mb };
}

async function insertRow(
  { db, worker, maxRunning }: SandboxContext,
  {
    caller,
    request,
    id,
    template,
    host,
    size,
  }: {
    caller: Caller;
    request: CreateSandboxRequest;
    id: string;
    template: TemplateRow;
    host: Host;
    size: { vcpus: number; memory_mb: number };
  },
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
        template: template.name,
        host_id: host.id,
        isolation: host.isolation,
        disk_mb: request.disk_mb ?? BOUNDS.disk_mb.default,
        timeout_sec: request.timeout_sec ?? BOUNDS.timeout_sec.default,
        on_timeout: request.on_timeout ?? "destroy",
        ttl_mode: "inactivity",
        metadata: JSON.stringify(request.metadata ?? {}),
        worker,
      },
    ],
  });
  if (!row) throw new WrennError("internal", `sandbox ${id} could not be recorded`);
  return row;
}

interface Start {
  caller: Caller;
  request: CreateSandboxRequest;
  row: SandboxRow;
  host: Host;
  template: TemplateRow;
}

async function startOnHost(
  context: SandboxContext,
  { caller, request, row, host, template }: Start,
): Promise<SandboxRow> {
  const { db, worker } = context;
  const { id } = row;
  try {
    if (!(await moveSandbox(db, { id, from: ["pending"], to: "starting", worker })))
      throw deletedMeanwhile(id);
    const made = await host.client.call(
      "createSandbox",
      {
        sandboxId: id,
        template: template.store_name,
        vcpus: row.vcpus,
        memoryMb: row.memory_mb,
        diskMb: row.disk_mb,
        timeoutSec: row.timeout_sec,
        envs: request.envs ?? {},
        onTimeout: request.on_timeout ?? "",
        minIsolation: request.min_isolation ?? "",
        start: request.start ?? "",
      },
      {
        attempted: `starting sandbox ${id}`,
        requestId: caller.requestId,
        timeoutMs: context.createTimeoutMs,
      },
    );
    const set = {
      host_ip: made.hostIp || null,
      guest_ip: made.guestIp || null,
      isolation: oneOf<Isolation>(made.isolation, ["kvm", "tcg"], host.isolation),
      on_timeout: oneOf<OnTimeout>(made.onTimeout, ["pause", "destroy"], row.on_timeout),
    };
    const running = await moveSandbox(db, { id, from: ["starting"], to: "running", set });
    if (!running) throw deletedMeanwhile(id);
    return running;
  } catch (reason) {
    const error = WrennError.from(reason, `starting sandbox ${id} failed`);
    await abandon(context, host, row, error);
    throw error;
  }
}

/**
 * Destroys what the host may have made of a sandbox that did not come to be. A refusal leaves no trace; of a
 * failure the row tells the reason for a day. What cannot be cleaned now, the reconciler cleans: this row's
 * work is no longer in flight.
 */
async function abandon(
  { db, log, worker }: SandboxContext,
  host: Host,
  row: SandboxRow,
  error: WrennError,
): Promise<void> {
  const { id } = row;
  try {
    const attempted = `cleaning up sandbox ${id}`;
    const context = { attempted, requestId: "cleanup", timeoutMs: CLEANUP_TIMEOUT_MS };
    await host.client.call("destroySandbox", { sandboxId: id }, context);
    if (error.httpStatus < 500) await forgetSandbox(db, id, worker);
    else await moveSandbox(db, { id, to: "stopped", set: { error: error.message } });
  } catch (reason) {
    log.warn({ sandbox_id: id, err: reason }, "could not clean up after a failed start; the reconciler will");
  }
}

function deletedMeanwhile(id: string): WrennError {
  return new WrennError("invalid_state", `sandbox ${id} was deleted while it started`);
}

function oneOf<T extends string>(value: string, allowed: readonly T[], fallback: T): T {
  return allowed.find((candidate) => candidate === value) ?? fallback;
}

function isUniqueViolation(reason: unknown): boolean {
  return reason instanceof Error && "code" in reason && reason.code === UNIQUE_VIOLATION;
}
