// Tags of templates: names behind a colon, for E2B's clients.
import type { E2bAssignTagsRequest, E2bRemoveTagsRequest, E2bTag } from "@wrenn/api";
import { DEFAULT_TAG, splitReference } from "../db/queries/template-reference.ts";
import { handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";

export function tagHandlers({ templates }: Services) {
  return {
    e2bAssignTags: handler<E2bAssignTagsRequest>(async ({ caller, body }) => {
      const tags = [...new Set(body.tags)];
      const { store_name } = await templates.assignTags(caller, body.target, tags);
      return { body: { buildID: store_name, tags } };
    }),
    e2bRemoveTags: handler<E2bRemoveTagsRequest>(async ({ caller, body }) => {
      await templates.removeTags(caller, splitReference(body.name).name, body.tags);
      return {};
    }),
    e2bListTags: handler(async ({ caller, params }) => {
      const { name } = splitReference(params["template"] ?? "");
      const rows = await templates.tags(caller, name);
      return {
        body: rows.map(
          ({ tag, store_name, created_at }): E2bTag => ({
            tag,
            buildID: store_name,
            createdAt: created_at.toISOString(),
          }),
        ),
      };
    }),
  };
}

/** The tags that a build is to have: the one in its name and those beside it. */
export function tagsOfBuild(
  reference: string,
  more: readonly string[] = [],
): { name: string; tags: string[] } {
  const { name, tag } = splitReference(reference);
  const tags = [...new Set([...(reference.includes(":") ? [tag] : []), ...more])];
  return { name, tags: tags.length === 0 ? [DEFAULT_TAG] : tags };
}
