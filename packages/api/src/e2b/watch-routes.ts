// Routes that tell what goes on in a sandbox: its log, and what it uses.
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { KEYED, ON_HOST } from "../routes/errors.ts";
import { E2bMetric } from "./answers.ts";
import { json } from "./body.ts";
import { E2bLogs, E2bLogsQuery, E2bLogsV1, E2bLogsV1Query } from "./logs.ts";
import { E2bMetricsQuery, E2bSandboxParams } from "./requests.ts";

const log = {
  method: "GET",
  summary: "Read a sandbox's log",
  description:
    "What was done to it, and what the kernel and the agent of its guest have printed since it was last started.",
  tag: "sandboxes",
  auth: "key",
  params: E2bSandboxParams,
  errors: [...KEYED, ...ON_HOST],
} as const;

export const E2B_WATCH_ROUTES = [
  {
    method: "GET",
    path: "/sandboxes/{id}/metrics",
    operationId: "e2bSandboxMetrics",
    summary: "What a guest uses, and has used",
    description:
      "Samples that are taken while it does something, the newest 360, and one of now where that is asked for.",
    tag: "sandboxes",
    auth: "key",
    params: E2bSandboxParams,
    query: E2bMetricsQuery,
    success: json(200, "Samples, oldest first.", Type.Array(E2bMetric)),
    errors: [...KEYED, ...ON_HOST],
  },
  {
    ...log,
    path: "/v2/sandboxes/{id}/logs",
    operationId: "e2bSandboxLogs",
    query: E2bLogsQuery,
    success: json(200, "Its entries.", E2bLogs),
  },
  {
    ...log,
    path: "/sandboxes/{id}/logs",
    operationId: "e2bSandboxLogsV1",
    query: E2bLogsV1Query,
    success: json(200, "Its lines.", E2bLogsV1),
  },
] as const satisfies readonly Route[];
