// Routes of templates and snapshots on the E2B surface.
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { KEYED, WITH_BODY } from "../routes/errors.ts";
import { noContent } from "../routes/json.ts";
import { E2bAlias, E2bSnapshot, E2bTemplate } from "./answers.ts";
import { body, json, page } from "./body.ts";
import { E2bSnapshotsQuery, E2bTemplateParams } from "./requests.ts";
import { E2bAssignedTags, E2bAssignTagsRequest, E2bRemoveTagsRequest, E2bTag } from "./tags.ts";

export const E2B_TEMPLATE_ROUTES = [
  {
    method: "GET",
    path: "/snapshots",
    operationId: "e2bListSnapshots",
    summary: "List snapshots",
    tag: "templates",
    auth: "key",
    query: E2bSnapshotsQuery,
    success: page("Your snapshots.", E2bSnapshot),
    errors: KEYED,
  },
  {
    method: "GET",
    path: "/templates",
    operationId: "e2bListTemplates",
    summary: "List templates",
    tag: "templates",
    auth: "key",
    query: Type.Object({}),
    success: json(200, "Templates.", Type.Array(E2bTemplate)),
    errors: KEYED,
  },
  {
    method: "GET",
    path: "/templates/aliases/{template}",
    operationId: "e2bGetAlias",
    summary: "What a name stands for",
    tag: "templates",
    auth: "key",
    params: E2bTemplateParams,
    success: json(200, "The template.", E2bAlias),
    errors: [...KEYED, "not_found"],
  },
  {
    method: "DELETE",
    path: "/templates/{template}",
    operationId: "e2bDeleteTemplate",
    summary: "Delete a template or snapshot",
    tag: "templates",
    auth: "key",
    params: E2bTemplateParams,
    success: noContent("It is gone."),
    errors: [...KEYED, "forbidden", "not_found", "invalid_state", "deadline_exceeded"],
  },
  {
    method: "POST",
    path: "/templates/tags",
    operationId: "e2bAssignTags",
    summary: "Let tags stand for a template",
    tag: "templates",
    auth: "key",
    body: body(E2bAssignTagsRequest),
    success: json(201, "They do.", E2bAssignedTags),
    errors: [...WITH_BODY, "not_found"],
  },
  {
    method: "DELETE",
    path: "/templates/tags",
    operationId: "e2bRemoveTags",
    summary: "Take tags away",
    tag: "templates",
    auth: "key",
    body: body(E2bRemoveTagsRequest),
    success: noContent("They are gone."),
    errors: [...WITH_BODY, "not_found"],
  },
  {
    method: "GET",
    path: "/templates/{template}/tags",
    operationId: "e2bListTags",
    summary: "List the tags of a template",
    tag: "templates",
    auth: "key",
    params: E2bTemplateParams,
    success: json(200, "The newest first.", Type.Array(E2bTag)),
    errors: [...KEYED, "not_found"],
  },
] as const satisfies readonly Route[];
