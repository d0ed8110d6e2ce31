// The tables as Kysely sees them. Written by hand; `tests/db/schema.test.ts` compares it with information_schema.
import type { SandboxStatus } from "@wrenn/core";
import type { ColumnType, Generated, GeneratedAlways, Insertable, Selectable } from "kysely";

export type Isolation = "kvm" | "tcg";
export type OnTimeout = "pause" | "destroy";
export type TtlMode = "inactivity" | "deadline";
export type TemplateType = "base" | "snapshot" | "layer";
export type TemplateStatus = "building" | "ready" | "error";

type Json<T> = ColumnType<T, string, string>;
type DefaultJson<T> = ColumnType<T, string | undefined, string>;

interface OwnersTable {
  id: string;
  operator: Generated<boolean>;
  max_running: number | null;
  created_at: Generated<Date>;
}

interface ApiKeysTable {
  id: string;
  owner: string;
  name: string;
  prefix: string;
  hash: Buffer;
  created_at: Generated<Date>;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

interface HostsTable {
  id: string;
  address: string;
  isolation: Isolation;
  cpus: number;
  memory_bytes: number;
  memory_free_bytes: number;
  sandboxes: number;
  max_sandboxes: number;
  version: string;
  vmm: string;
  /** When this database did not see it: a `tstzmultirange`, in PostgreSQL's words. */
  unwatched: Generated<string>;
  last_seen_at: Generated<Date>;
  created_at: Generated<Date>;
}

/** Where builds that begin with a template go on. */
export interface TemplateConfig {
  user?: string;
  workdir?: string;
  /** Only PATH, which a child's `ENV PATH …:$PATH` builds on; the other variables are in the guest itself. */
  envs?: Record<string, string>;
}

interface TemplatesTable {
  name: string;
  /** `default` for the name itself; others are what stands behind a colon. */
  tag: Generated<string>;
  owner: string | null;
  type: TemplateType;
  status: TemplateStatus;
  store_name: string;
  vcpus: number;
  memory_mb: number;
  disk_mb: number | null;
  sandbox_id: string | null;
  size_bytes: Generated<number>;
  rootfs_sha256: string | null;
  error: string | null;
  config: Json<TemplateConfig> | null;
  worker: number | null;
  build_started: Date | null;
  build_finished: Date | null;
  created_at: Generated<Date>;
  last_updated: Generated<Date>;
}

/** How a sandbox's creator wants its traffic; in the words of the API that it came by. */
export interface SandboxNetwork {
  allowOut?: string[];
  denyOut?: string[];
  allowPublicTraffic?: boolean;
  /** What programs behind the proxy see as `Host`; `${PORT}` stands for their port. */
  maskRequestHost?: string;
  allowInternetAccess?: boolean;
}

interface SandboxesTable {
  id: string;
  owner: string;
  status: SandboxStatus;
  template: string;
  host_id: string | null;
  vcpus: number;
  memory_mb: number;
  disk_mb: number;
  timeout_sec: number;
  on_timeout: OnTimeout;
  ttl_mode: TtlMode;
  guest_ip: string | null;
  host_ip: string | null;
  isolation: Isolation | null;
  metadata: DefaultJson<Record<string, string>>;
  error: string | null;
  worker: number | null;
  created_at: Generated<Date>;
  started_at: Date | null;
  last_active_at: Date | null;
  expires_at: Date | null;
  auto_resume: Generated<boolean>;
  traffic_token: string | null;
  network: Json<SandboxNetwork> | null;
  stopped_at: Date | null;
  /** Since when nobody wants it: deleted by its owner, or never come to be. Null for what ended unasked. */
  deleted_at: Date | null;
  /** How often its status was changed. */
  moves: Generated<number>;
  last_updated: Generated<Date>;
}

interface IdempotencyKeysTable {
  owner: string;
  key: string;
  fingerprint: Buffer;
  worker: number;
  status: number | null;
  headers: Json<Record<string, string>> | null;
  body: string | null;
  created_at: Generated<Date>;
}

interface ExecTicketsTable {
  hash: Buffer;
  key_id: string;
  sandbox_id: string;
  expires_at: Date;
}

interface AuditEventsTable {
  id: GeneratedAlways<number>;
  at: Generated<Date>;
  owner: string | null;
  key_id: string | null;
  action: string;
  subject: string;
  request_id: string | null;
  detail: DefaultJson<Record<string, unknown>>;
}

export interface Database {
  owners: OwnersTable;
  api_keys: ApiKeysTable;
  hosts: HostsTable;
  templates: TemplatesTable;
  sandboxes: SandboxesTable;
  idempotency_keys: IdempotencyKeysTable;
  exec_tickets: ExecTicketsTable;
  audit_events: AuditEventsTable;
}

export type SandboxRow = Selectable<SandboxesTable>;
export type NewSandboxRow = Insertable<SandboxesTable>;
export type TemplateRow = Selectable<TemplatesTable>;
export type HostRow = Selectable<HostsTable>;
export type NewHostRow = Insertable<HostsTable>;
export type ApiKeyRow = Selectable<ApiKeysTable>;
