-- The first schema. Empty database, so no lock matters.
-- Times are timestamptz(3): milliseconds are what the API shows and what cursors compare.

-- migrate:up
create table owners (
  id          text primary key,
  -- May build and delete base templates, which all share, and make keys of other owners.
  operator    boolean not null default false,
  -- Sandboxes that may run at once; null = the configured default.
  max_running integer check (max_running >= 0),
  created_at  timestamptz(3) not null default now()
);

create table api_keys (
  id           text primary key,
  owner        text not null references owners (id),
  name         text not null,
  -- The start of the secret, for people to tell keys apart.
  prefix       text not null,
  -- SHA-256 of the 64 hex digits behind the prefix. The secret itself is nowhere.
  hash         bytea not null unique check (octet_length(hash) = 32),
  created_at   timestamptz(3) not null default now(),
  last_used_at timestamptz(3),
  revoked_at   timestamptz(3)
);

create table hosts (
  id                text primary key,
  address           text not null,
  isolation         text not null check (isolation in ('kvm', 'tcg')),
  cpus              integer not null,
  memory_bytes      bigint not null,
  memory_free_bytes bigint not null,
  sandboxes         integer not null,
  max_sandboxes     integer not null,
  version           text not null,
  vmm               text not null,
  last_seen_at      timestamptz(3) not null default now(),
  created_at        timestamptz(3) not null default now()
);

create table templates (
  name          text not null,
  -- null = visible to every owner (base templates).
  owner         text references owners (id),
  type          text not null check (type in ('base', 'snapshot')),
  status        text not null check (status in ('building', 'ready', 'error')),
  -- What the hosts call it. Names of snapshots belong to an owner, so this one is made up for them.
  store_name    text not null unique,
  vcpus         integer not null,
  memory_mb     integer not null,
  size_bytes    bigint not null default 0,
  rootfs_sha256 text,
  error         text,
  -- The control plane that is building it; see `worker.ts`.
  worker        integer,
  build_started  timestamptz(3),
  build_finished timestamptz(3),
  created_at    timestamptz(3) not null default now(),
  last_updated  timestamptz(3) not null default now(),
  unique nulls not distinct (owner, name),
  check ((type = 'base') = (owner is null))
);

create table sandboxes (
  id             text primary key,
  owner          text not null references owners (id),
  status         text not null check (status in
    ('pending', 'starting', 'running', 'pausing', 'paused', 'resuming', 'stopped', 'error')),
  template       text not null,
  host_id        text references hosts (id),
  vcpus          integer not null,
  memory_mb      integer not null,
  disk_mb        integer not null,
  timeout_sec    integer not null,
  on_timeout     text not null check (on_timeout in ('pause', 'destroy')),
  ttl_mode       text not null check (ttl_mode in ('inactivity', 'deadline')),
  guest_ip       text,
  host_ip        text,
  isolation      text check (isolation in ('kvm', 'tcg')),
  metadata       jsonb not null default '{}',
  error          text,
  -- The control plane that is moving it between two settled statuses; see `worker.ts`.
  worker         integer,
  created_at     timestamptz(3) not null default now(),
  started_at     timestamptz(3),
  last_active_at timestamptz(3),
  -- Only for ttl_mode 'deadline'.
  expires_at     timestamptz(3),
  stopped_at     timestamptz(3),
  last_updated   timestamptz(3) not null default now(),
  check ((status = 'stopped') = (stopped_at is not null))
);
create index sandboxes_owner_created on sandboxes (owner, created_at desc, id desc);
create index sandboxes_host_live on sandboxes (host_id) where status <> 'stopped';
create index sandboxes_stopped on sandboxes (stopped_at) where status = 'stopped';
create index sandboxes_metadata on sandboxes using gin (metadata jsonb_path_ops);

create table idempotency_keys (
  owner        text not null references owners (id),
  key          text not null,
  -- SHA-256 over method, path with query, and body.
  fingerprint  bytea not null,
  -- The control plane that is carrying the request out; see `worker.ts`.
  worker       integer not null,
  status       integer,
  headers      jsonb,
  -- Null with a status: the answer was too large to be kept.
  body         text,
  created_at   timestamptz(3) not null default now(),
  primary key (owner, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

create table exec_tickets (
  hash       bytea primary key check (octet_length(hash) = 32),
  key_id     text not null references api_keys (id) on delete cascade,
  sandbox_id text not null references sandboxes (id) on delete cascade,
  expires_at timestamptz(3) not null
);
create index exec_tickets_expires on exec_tickets (expires_at);
create index exec_tickets_sandbox on exec_tickets (sandbox_id);

create table audit_events (
  id         bigint generated always as identity primary key,
  at         timestamptz(3) not null default now(),
  -- Null: the platform itself (a time-out, a reconciliation).
  owner      text,
  key_id     text,
  action     text not null,
  subject    text not null,
  request_id text,
  detail     jsonb not null default '{}'
);
create index audit_events_at on audit_events (at);
create index audit_events_subject on audit_events (subject, at);

-- migrate:down
drop table audit_events;
drop table exec_tickets;
drop table idempotency_keys;
drop table sandboxes;
drop table templates;
drop table hosts;
drop table api_keys;
drop table owners;
