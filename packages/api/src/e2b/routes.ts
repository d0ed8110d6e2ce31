// Routes of the E2B surface: what E2B's published clients call, beside the v1 API.
import type { ErrorCode } from "@wrenn/core";
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { FROM_MEMORY, KEYED, ON_HOST, WITH_BODY } from "../routes/errors.ts";
import { noContent } from "../routes/json.ts";
import { E2B_ABSENT_ROUTES } from "./absent-routes.ts";
import { E2bForks, E2bListedSandbox, E2bSandbox, E2bSandboxDetail, E2bSnapshot } from "./answers.ts";
import { body, json, page } from "./body.ts";
import { E2B_BUILD_ROUTES } from "./build-routes.ts";
import {
  E2bConnectRequest,
  E2bCreateRequest,
  E2bForkRequest,
  E2bListQuery,
  E2bNetworkRequest,
  E2bPauseRequest,
  E2bRefreshRequest,
  E2bSandboxParams,
  E2bSnapshotRequest,
  E2bTimeoutRequest,
} from "./requests.ts";
import { E2B_TEMPLATE_ROUTES } from "./template-routes.ts";
import { E2B_WATCH_ROUTES } from "./watch-routes.ts";

/** Anything that makes or moves a sandbox. */
const MOVING = [
  ...WITH_BODY,
  ...ON_HOST,
  "not_implemented",
  "isolation_unavailable",
  ...FROM_MEMORY,
] as const satisfies ErrorCode[];

const create = {
  method: "POST",
  summary: "Make a sandbox",
  tag: "sandboxes",
  auth: "key",
  body: body(E2bCreateRequest),
  success: json(201, "The sandbox, running.", E2bSandbox),
  errors: MOVING,
} as const;

const connect = {
  method: "POST",
  summary: "Get into a sandbox, resuming it if it is paused",
  description: "Its end is moved away, never nearer.",
  tag: "sandboxes",
  auth: "key",
  params: E2bSandboxParams,
  body: body(E2bConnectRequest),
  success: { ...json(200, "The sandbox, running; 201 if it was paused.", E2bSandbox), also: 201 },
  errors: MOVING,
} as const;

export const E2B_ROUTES = [
  { ...create, path: "/v2/sandboxes", operationId: "e2bCreateSandbox" },
  { ...create, path: "/sandboxes", operationId: "e2bCreateSandboxV1" },
  {
    method: "GET",
    path: "/v2/sandboxes",
    operationId: "e2bListSandboxes",
    summary: "List sandboxes",
    tag: "sandboxes",
    auth: "key",
    query: E2bListQuery,
    success: page("Your sandboxes.", E2bListedSandbox),
    errors: KEYED,
  },
  {
    method: "GET",
    path: "/sandboxes",
    operationId: "e2bListSandboxesV1",
    summary: "List running sandboxes",
    tag: "sandboxes",
    auth: "key",
    query: E2bListQuery,
    success: page("Your running sandboxes.", E2bListedSandbox),
    errors: KEYED,
  },
  {
    method: "GET",
    path: "/sandboxes/{id}",
    operationId: "e2bGetSandbox",
    summary: "Look at one sandbox",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    success: json(200, "The sandbox.", E2bSandboxDetail),
    errors: [...KEYED, ...ON_HOST],
  },
  {
    method: "DELETE",
    path: "/sandboxes/{id}",
    operationId: "e2bKillSandbox",
    summary: "Delete a sandbox, running or paused",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    success: noContent("It is gone."),
    errors: [...KEYED, "not_found", "deadline_exceeded"],
  },
  { ...connect, path: "/v2/sandboxes/{id}/connect", operationId: "e2bConnectSandbox" },
  { ...connect, path: "/sandboxes/{id}/connect", operationId: "e2bConnectSandboxV1" },
  {
    ...connect,
    path: "/sandboxes/{id}/resume",
    operationId: "e2bResumeSandbox",
    summary: "Resume a paused sandbox",
    success: json(201, "The sandbox, running.", E2bSandbox),
  },
  {
    method: "POST",
    path: "/sandboxes/{id}/timeout",
    operationId: "e2bSetTimeout",
    summary: "Move a sandbox's end",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bTimeoutRequest),
    success: noContent("It is moved."),
    errors: [...WITH_BODY, ...ON_HOST],
  },
  {
    method: "POST",
    path: "/sandboxes/{id}/refreshes",
    operationId: "e2bRefreshSandbox",
    summary: "Move a sandbox's end away",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bRefreshRequest),
    success: noContent("It is moved, if that was later than before."),
    errors: [...WITH_BODY, ...ON_HOST],
  },
  {
    method: "POST",
    path: "/sandboxes/{id}/pause",
    operationId: "e2bPauseSandbox",
    summary: "Save a sandbox to disk",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bPauseRequest),
    success: noContent("It is paused."),
    errors: MOVING,
  },
  {
    method: "POST",
    path: "/sandboxes/{id}/fork",
    operationId: "e2bForkSandbox",
    summary: "Copy a running sandbox",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bForkRequest),
    success: json(201, "The copies.", E2bForks),
    errors: MOVING,
  },
  {
    method: "POST",
    path: "/sandboxes/{id}/snapshots",
    operationId: "e2bCreateSnapshot",
    summary: "Take a snapshot of a sandbox",
    tag: "templates",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bSnapshotRequest),
    success: json(201, "The snapshot.", E2bSnapshot),
    errors: [...MOVING, "already_exists"],
  },
  {
    method: "PUT",
    path: "/sandboxes/{id}/network",
    operationId: "e2bUpdateNetwork",
    summary: "Replace the rules for a sandbox's traffic",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    body: body(E2bNetworkRequest),
    success: noContent("They hold for connections that are made from now on."),
    errors: MOVING,
  },
  ...E2B_WATCH_ROUTES,
  ...E2B_TEMPLATE_ROUTES,
  ...E2B_BUILD_ROUTES,
  ...E2B_ABSENT_ROUTES,
  {
    method: "GET",
    path: "/e2b/openapi.yaml",
    operationId: "e2bOpenApi",
    summary: "This document",
    tag: "system",
    auth: "none",
    success: {
      status: 200,
      description: "OpenAPI 3.1.",
      content: { type: "application/yaml", schema: Type.String({ description: "The document." }) },
    },
    errors: ["invalid_argument", "internal"],
  },
] as const satisfies readonly Route[];

export type E2bOperationId = (typeof E2B_ROUTES)[number]["operationId"];
