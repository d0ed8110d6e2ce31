// Routes of templates, builds and snapshots.
import type {
  BuildLogQuery,
  BuildTemplateRequest,
  CreateSnapshotQuery,
  CreateSnapshotRequest,
  ListSnapshotsQuery,
} from "@wrenn/api";
import { handler } from "../http/handler.ts";
import { cutPage, pageOf } from "../http/page.ts";
import type { Services } from "../services/services.ts";
import { presentTemplate } from "./present.ts";

export function templateHandlers({ builds, templates, snapshots }: Services) {
  return {
    buildTemplate: handler<BuildTemplateRequest>(async ({ caller, body }) => ({
      body: await builds.start(caller, body),
    })),
    getTemplateBuild: handler<undefined, BuildLogQuery>(async ({ caller, params, query }) => ({
      body: await builds.follow(caller, params["name"] ?? "", query.offset ?? 0),
    })),
    deleteTemplate: handler(async ({ caller, params }) => {
      await templates.delete(caller, params["name"] ?? "", { only: "base" });
      return {};
    }),
    createSnapshot: handler<CreateSnapshotRequest, CreateSnapshotQuery>(async ({ caller, body, query }) => ({
      body: presentTemplate(await snapshots.create(caller, body, { overwrite: query.overwrite ?? false })),
    })),
    listSnapshots: handler<undefined, ListSnapshotsQuery>(async ({ caller, query }) => {
      const rows = await templates.list(caller, { type: query.type, ...pageOf(query) });
      const page = cutPage(rows, query, (row) => ({ createdAt: row.created_at.getTime(), id: row.name }));
      return { body: page.rows.map(presentTemplate), headers: page.headers };
    }),
    deleteSnapshot: handler(async ({ caller, params }) => {
      await templates.delete(caller, params["name"] ?? "");
      return {};
    }),
  };
}
