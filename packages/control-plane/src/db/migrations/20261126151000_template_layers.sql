-- Layers: what a sandbox is like after a step of a template's build, by a key of all that has led there. And what a template
-- says to builds that begin with it. Takes an exclusive lock on templates for a moment; rewrites nothing.

-- migrate:up
alter table templates drop constraint templates_type_check;
alter table templates add constraint templates_type_check check (type in ('base', 'snapshot', 'layer'));
alter table templates add column config jsonb;
create index templates_layers on templates (last_updated) where type = 'layer';

-- migrate:down
drop index templates_layers;
alter table templates drop column config;
delete from templates where type = 'layer';
alter table templates drop constraint templates_type_check;
alter table templates add constraint templates_type_check check (type in ('base', 'snapshot'));
