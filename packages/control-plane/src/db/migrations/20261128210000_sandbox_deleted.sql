-- Since when nobody wants a sandbox any more: its owner has deleted it, or it never came to be. What ended without being asked
-- to has no such time: its host keeps its disk for as long as its row answers.

-- migrate:up
alter table sandboxes add column deleted_at timestamptz;
-- Of what had ended before nobody knows which it was: a host that still holds something of it keeps it for the day.

-- migrate:down
alter table sandboxes drop column deleted_at;
