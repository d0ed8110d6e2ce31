// Rows of the database as the API shows them.
import type { ApiKey, Sandbox, Template } from "@wrenn/api";
import type { ApiKeyRow, SandboxRow, TemplateRow } from "../db/schema.ts";

/** `lastActive`: activity that is not in the row yet, in milliseconds since the epoch. */
export function presentSandbox(row: SandboxRow, lastActive = 0): Sandbox {
  const active = new Date(Math.max(row.last_active_at?.getTime() ?? 0, lastActive));
  const expires = expiresAt(row, active);
  return {
    id: row.id,
    status: row.status,
    template: row.template,
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    disk_mb: row.disk_mb,
    timeout_sec: row.timeout_sec,
    on_timeout: row.on_timeout,
    ttl_mode: row.ttl_mode,
    ...(expires && { expires_at: expires.toISOString() }),
    ...(row.guest_ip !== null && { guest_ip: row.guest_ip }),
    ...(row.host_ip !== null && { host_ip: row.host_ip }),
    host_id: row.host_id ?? "",
    isolation: row.isolation ?? "tcg",
    metadata: row.metadata,
    ...(row.error !== null && { error: row.error }),
    created_at: row.created_at.toISOString(),
    ...(row.started_at && { started_at: row.started_at.toISOString() }),
    ...(row.last_active_at && { last_active_at: active.toISOString() }),
    last_updated: row.last_updated.toISOString(),
    ...(row.deleted_at && { deleted_at: row.deleted_at.toISOString() }),
  };
}

export function presentTemplate(row: TemplateRow): Template {
  const { name, vcpus, memory_mb, size_bytes } = row;
  const type = row.type === "base" ? "base" : "snapshot";
  return { name, type, vcpus, memory_mb, size_bytes, created_at: row.created_at.toISOString() };
}

export function presentKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    created_at: row.created_at.toISOString(),
    ...(row.last_used_at && { last_used_at: row.last_used_at.toISOString() }),
    ...(row.revoked_at && { revoked_at: row.revoked_at.toISOString() }),
  };
}

/** Only a running sandbox has a clock that runs. */
function expiresAt(
  { status, timeout_sec, ttl_mode, expires_at }: SandboxRow,
  active: Date,
): Date | undefined {
  if (status !== "running" || timeout_sec === 0) return undefined;
  if (ttl_mode === "deadline") return expires_at ?? undefined;
  return new Date(active.getTime() + timeout_sec * 1000);
}
