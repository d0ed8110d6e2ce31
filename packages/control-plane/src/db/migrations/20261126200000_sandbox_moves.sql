-- How often a sandbox's status was changed: who finds it as it was left knows that nobody moved it there and back.

-- migrate:up
alter table sandboxes add column moves integer not null default 0;

-- migrate:down
alter table sandboxes drop column moves;
