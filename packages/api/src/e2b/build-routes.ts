// Routes of template builds on the E2B surface.
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { KEYED, WITH_BODY } from "../routes/errors.ts";
import { noContent } from "../routes/json.ts";
import { body, json } from "./body.ts";
import {
  E2bBuild,
  E2bBuildParams,
  E2bBuildRequest,
  E2bBuildStatus,
  E2bBuildSteps,
  E2bFiles,
  E2bFilesParams,
  E2bStatusQuery,
  E2bUploadParams,
} from "./builds.ts";

export const E2B_BUILD_ROUTES = [
  {
    method: "POST",
    path: "/v3/templates",
    operationId: "e2bRequestBuild",
    summary: "Ask for a build",
    tag: "templates",
    auth: "key",
    body: body(E2bBuildRequest),
    success: json(202, "The build, not yet started.", E2bBuild),
    errors: [...WITH_BODY, "not_implemented"],
  },
  {
    method: "GET",
    path: "/templates/{template}/files/{hash}",
    operationId: "e2bFilesOfStep",
    summary: "Whether files for a COPY step are here, and where to send them",
    tag: "templates",
    auth: "key",
    params: E2bFilesParams,
    success: json(201, "Where they are wanted.", E2bFiles),
    errors: [...KEYED, "not_found"],
  },
  {
    method: "PUT",
    path: "/e2b/uploads/{ticket}",
    operationId: "e2bSendFiles",
    summary: "Send files for a COPY step",
    description: "The address is the permission, for an hour and once.",
    tag: "templates",
    auth: "none",
    params: E2bUploadParams,
    body: { contentType: "application/octet-stream", schema: Type.String({ format: "binary" }) },
    success: noContent("They are here."),
    errors: ["invalid_argument", "not_found", "too_large", "no_space", "internal", "unavailable"],
  },
  {
    method: "POST",
    path: "/v2/templates/{template}/builds/{build}",
    operationId: "e2bStartBuild",
    summary: "Start a build",
    tag: "templates",
    auth: "key",
    params: E2bBuildParams,
    body: body(E2bBuildSteps),
    success: { status: 202, description: "It has been started." },
    errors: [...WITH_BODY, "not_found", "invalid_state", "not_implemented"],
  },
  {
    method: "GET",
    path: "/templates/{template}/builds/{build}/status",
    operationId: "e2bBuildStatus",
    summary: "Follow a build",
    tag: "templates",
    auth: "key",
    params: E2bBuildParams,
    query: E2bStatusQuery,
    success: json(200, "The build and a piece of its log.", E2bBuildStatus),
    errors: [...KEYED, "not_found"],
  },
] as const satisfies readonly Route[];
