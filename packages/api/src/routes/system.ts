// Routes: the service itself.
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { Health } from "../schemas/health.ts";
import { Storage } from "../schemas/storage.ts";
import { KEYED, NEWER_HOST } from "./errors.ts";
import { json } from "./json.ts";

export const SYSTEM_ROUTES = [
  {
    method: "GET",
    path: "/health",
    operationId: "health",
    summary: "Whether the service can do its work",
    tag: "system",
    auth: "none",
    success: json(200, "The database and a host answer.", Health),
    errors: ["invalid_argument", "internal", "unavailable"],
  },
  {
    method: "GET",
    path: "/metrics",
    operationId: "metrics",
    summary: "Figures for Prometheus",
    tag: "system",
    auth: "key_or_loopback",
    success: {
      status: 200,
      description: "The figures in Prometheus' text format.",
      content: { type: "text/plain", schema: Type.String({ description: "One sample a line." }) },
    },
    errors: ["invalid_argument", "unauthorized", "internal", "unavailable"],
  },
  {
    method: "GET",
    path: "/v1/storage",
    operationId: "getStorage",
    summary: "What is on disk, and what needs it",
    description: "Concerns all owners, so it is the operator's to see.",
    tag: "system",
    auth: "key",
    success: json(200, "The hosts' disks.", Storage),
    errors: [...KEYED, ...NEWER_HOST, "forbidden", "deadline_exceeded"],
  },
  {
    method: "GET",
    path: "/openapi.yaml",
    operationId: "openApi",
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
