-- What the sandbox proxy has to know, and the network that a sandbox was asked for. Constant defaults rewrite nothing.

-- migrate:up
alter table sandboxes
  -- Whether traffic to a paused sandbox resumes it.
  add column auto_resume boolean not null default false,
  -- What traffic to its ports has to show; null = nothing.
  add column traffic_token text,
  -- Rules for its traffic as its creator gave them; null = the platform's own.
  add column network jsonb;

-- migrate:down
alter table sandboxes drop column network, drop column traffic_token, drop column auto_resume;
