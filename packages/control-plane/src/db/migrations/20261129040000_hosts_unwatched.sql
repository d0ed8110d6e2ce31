-- When this database did not see a host: before it knew it, and while another database may have been used with it. What was
-- made then is not this database's to delete. Takes an exclusive lock on hosts for a moment; rewrites nothing.

-- migrate:up
-- What hosts that are known already hold has been judged by this database all along.
alter table hosts add column unwatched tstzmultirange not null default '{}';
alter table hosts alter column unwatched set default tstzmultirange(tstzrange(null, now()));

-- migrate:down
alter table hosts drop column unwatched;
