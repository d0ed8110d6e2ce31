-- A snapshot may have several names: its own, which is the tag `default`, and others behind a colon. They share content,
-- so a store name may stand in several rows. Takes an exclusive lock on templates for a moment; rewrites nothing but indexes.

-- migrate:up
alter table templates add column tag text not null default 'default' check (tag = 'default' or owner is not null);
alter table templates drop constraint templates_owner_name_key;
alter table templates add constraint templates_owner_name_tag_key unique nulls not distinct (owner, name, tag);
alter table templates drop constraint templates_store_name_key;
create index templates_store_name on templates (store_name);

-- migrate:down
delete from templates where tag <> 'default';
drop index templates_store_name;
alter table templates add constraint templates_store_name_key unique (store_name);
alter table templates drop constraint templates_owner_name_tag_key;
alter table templates add constraint templates_owner_name_key unique nulls not distinct (owner, name);
alter table templates drop column tag;
