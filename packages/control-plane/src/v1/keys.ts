// Routes of API keys.
import type { CreateApiKeyRequest, ListApiKeysQuery, NewApiKey } from "@wrenn/api";
import { handler } from "../http/handler.ts";
import { cutPage, pageOf } from "../http/page.ts";
import type { Services } from "../services/services.ts";
import { presentKey } from "./present.ts";

export function keyHandlers({ keys }: Services) {
  return {
    listKeys: handler<undefined, ListApiKeysQuery>(async ({ caller, query }) => {
      const rows = await keys.list(caller, pageOf(query));
      const page = cutPage(rows, query, (row) => ({ createdAt: row.created_at.getTime(), id: row.id }));
      return { body: page.rows.map(presentKey), headers: page.headers };
    }),
    createKey: handler<CreateApiKeyRequest>(async ({ caller, body }) => {
      const { row, key } = await keys.create(caller, body);
      return { body: { ...presentKey(row), key } satisfies NewApiKey };
    }),
    revokeKey: handler(async ({ caller, params }) => {
      await keys.revoke(caller, params["id"] ?? "");
      return {};
    }),
  };
}
