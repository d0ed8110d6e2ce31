// Rows of the database as E2B's clients read them.
import type { E2bListedSandbox, E2bSandbox, E2bSandboxDetail, E2bTemplate } from "@wrenn/api";
import { BOUNDS } from "@wrenn/core";
import type { SandboxRow, TemplateRow } from "../db/schema.ts";
import type { Access } from "../services/access.ts";
import { aliasesOf } from "./aliases.ts";

/** Required by the protocol; it once named a machine. */
const CLIENT_ID = "wrenn";

/** For a sandbox that has no end; clients expect one. */
const NEVER = "9999-12-31T23:59:59.999Z";

export function presentAccess(row: SandboxRow, access: Access, domain: string | undefined): E2bSandbox {
  return {
    templateID: row.template,
    sandboxID: row.id,
    clientID: CLIENT_ID,
    envdVersion: access.agentVersion,
    envdAccessToken: access.token,
    ...(row.traffic_token !== null && { trafficAccessToken: row.traffic_token }),
    domain: domain ?? null,
  };
}

/** `agentVersion`: of the host's agent; a list does not ask each host, and gives what all of this version have. */
export function presentListed(row: SandboxRow, agentVersion: string): E2bListedSandbox {
  return {
    templateID: row.template,
    sandboxID: row.id,
    clientID: CLIENT_ID,
    envdVersion: agentVersion,
    startedAt: (row.started_at ?? row.created_at).toISOString(),
    endAt: endOf(row),
    cpuCount: row.vcpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_mb,
    metadata: row.metadata,
    state: row.status === "paused" || row.status === "resuming" ? "paused" : "running",
  };
}

export function presentDetail(row: SandboxRow, access: Access, domain: string | undefined): E2bSandboxDetail {
  const { allowInternetAccess, ...network } = row.network ?? {};
  return {
    ...presentListed(row, access.agentVersion),
    envdAccessToken: access.token,
    domain: domain ?? null,
    allowInternetAccess: allowInternetAccess ?? true,
    network: { allowPublicTraffic: true, ...network },
    lifecycle: { autoResume: row.auto_resume, onTimeout: row.on_timeout === "pause" ? "pause" : "kill" },
  };
}

export function presentTemplate(row: TemplateRow): E2bTemplate {
  return {
    templateID: row.name,
    buildID: row.store_name,
    cpuCount: row.vcpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_mb ?? BOUNDS.disk_mb.default,
    public: row.owner === null,
    aliases: aliasesOf(row.name),
    names: [row.name, ...aliasesOf(row.name)],
    createdAt: row.created_at.toISOString(),
    updatedAt: row.last_updated.toISOString(),
    buildStatus: row.status,
  };
}

/** A paused sandbox has as much time left as it is given when it goes on. */
function endOf({ timeout_sec, ttl_mode, expires_at, last_active_at }: SandboxRow): string {
  if (timeout_sec === 0) return NEVER;
  if (ttl_mode === "deadline" && expires_at) return expires_at.toISOString();
  const from = ttl_mode === "inactivity" && last_active_at ? last_active_at.getTime() : Date.now();
  return new Date(from + timeout_sec * 1000).toISOString();
}
