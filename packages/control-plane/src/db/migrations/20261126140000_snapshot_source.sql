-- The sandbox that a snapshot was taken of, which may be gone by now. Null for base templates and older snapshots.

-- migrate:up
alter table templates add column sandbox_id text;

-- migrate:down
alter table templates drop column sandbox_id;
