// Forks and snapshots of sandboxes of E2B's clients.
import type { E2bForkRequest, E2bSnapshot, E2bSnapshotRequest, E2bSnapshotsQuery } from "@wrenn/api";
import { isName, LIMITS, WrennError } from "@wrenn/core";
import type { TemplateRow } from "../db/schema.ts";
import { handler } from "../http/handler.ts";
import { cutPage, pageOf } from "../http/page.ts";
import type { Services } from "../services/services.ts";
import { presentAccess } from "./present.ts";
import { shown } from "./shown.ts";
import { timeoutOf } from "./timeout.ts";

export function copyHandlers({ sandboxes, snapshots, templates, access, domain }: Services) {
  return {
    e2bForkSandbox: handler<E2bForkRequest>(async ({ caller, sandbox, body }) => {
      const timeoutSec = timeoutOf(body.timeout);
      const { count = 1 } = body;
      const forks = await sandboxes.fork(caller, shown(sandbox), { count });
      return {
        body: await Promise.all(
          forks.map(async (fork) => {
            const row = await sandboxes.setTimeout(caller, fork, { timeoutSec, extendOnly: false });
            return { sandbox: presentAccess(row, await access.of(caller, row), domain) };
          }),
        ),
      };
    }),
    e2bCreateSnapshot: handler<E2bSnapshotRequest>(async ({ caller, sandbox, body }) => {
      const { name } = body;
      if (name !== undefined && !isName(name)) {
        throw new WrennError("invalid_argument", "name must be letters, digits, dots, hyphens, underscores", {
          field: "name",
        });
      }
      const request = { sandbox_id: shown(sandbox).id, ...(name !== undefined && { name }) };
      return { body: presentSnapshot(await snapshots.create(caller, request, { overwrite: true })) };
    }),
    e2bListSnapshots: handler<undefined, E2bSnapshotsQuery>(async ({ caller, query }) => {
      const { limit = LIMITS.listLimit, nextToken, sandboxID, name } = query;
      const page = { limit, ...(nextToken && { next_token: nextToken }) };
      const rows = await templates.list(caller, {
        type: "snapshot",
        ...pageOf(page),
        sandboxId: sandboxID,
        name,
      });
      const cut = cutPage(rows, page, (row) => ({ createdAt: row.created_at.getTime(), id: row.name }));
      return { body: cut.rows.map(presentSnapshot), headers: cut.headers };
    }),
  };
}

function presentSnapshot({ name }: TemplateRow): E2bSnapshot {
  return { snapshotID: name, names: [name] };
}
