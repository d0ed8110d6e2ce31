// Routes: running commands.
import type { Route } from "../route.ts";
import { ExecRequest, ExecResponse, ExecStreamQuery, ExecTicket } from "../schemas/exec.ts";
import { IdempotencyHeaders } from "../schemas/headers.ts";
import { SandboxParams } from "../schemas/params.ts";
import { EmptyRequest } from "../schemas/sandbox.ts";
import { IDEMPOTENT, KEYED, ON_HOST, WITH_BODY } from "./errors.ts";
import { json, jsonBody, optionalJsonBody } from "./json.ts";

export const EXEC_ROUTES = [
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/exec",
    operationId: "execInSandbox",
    summary: "Run a command and wait for it",
    description:
      "A command that fails, is killed or times out is a 200 that says so. One that cannot be found is a 400.",
    tag: "exec",
    auth: "key",
    params: SandboxParams,
    headers: IdempotencyHeaders,
    body: jsonBody(ExecRequest),
    success: json(200, "What it printed and how it ended.", ExecResponse),
    errors: [...WITH_BODY, ...ON_HOST, ...IDEMPOTENT, "command_not_found"],
  },
  {
    method: "GET",
    path: "/v1/sandboxes/{id}/exec/stream",
    operationId: "execStream",
    summary: "Run a command and stream it (WebSocket)",
    description:
      "Text frames of JSON: the client sends `ExecClientMessage`, `start` first; the server sends `ExecServerMessage`, `exit` or `error` last, and then closes. Browsers authenticate with a ticket.",
    tag: "exec",
    auth: "key",
    params: SandboxParams,
    query: ExecStreamQuery,
    success: { status: 101, description: "The connection is a WebSocket now." },
    errors: [...KEYED, "forbidden", "not_found", "invalid_state"],
    websocket: true,
  },
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/exec/ticket",
    operationId: "createExecTicket",
    summary: "Get a ticket for one exec stream",
    description: "For browsers. It works once, within 30 seconds.",
    tag: "exec",
    auth: "key",
    params: SandboxParams,
    body: optionalJsonBody(EmptyRequest),
    success: json(200, "The ticket.", ExecTicket),
    errors: [...WITH_BODY, "not_found", "invalid_state"],
  },
] as const satisfies readonly Route[];
