-- The disk of a snapshot is as large as that of the sandbox it was taken from. Null for base templates, whose
-- sandboxes choose. Takes an exclusive lock on templates for a moment; rewrites nothing.

-- migrate:up
alter table templates add column disk_mb integer;

-- migrate:down
alter table templates drop column disk_mb;
