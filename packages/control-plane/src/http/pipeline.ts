// The way of every request, in the order that the contract gives: key, sandbox, status, body, handler.
// (The size of the body comes first of all: the server has checked it when this begins.)
import { KEY_HEADER, type Route, type RouteAuth } from "@wrenn/api";
import { isSandboxId, WrennError } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Caller } from "../services/caller.ts";
import type { KeyService } from "../services/keys.ts";
import { isStale, type RecentSandboxes } from "../services/recent-sandboxes.ts";
import type { SandboxService } from "../services/sandboxes.ts";
import type { TicketService } from "../services/tickets.ts";
import { assertAllowed, endsOnHost } from "./allowed-status.ts";
import type { Answer, Call, Handler } from "./handler.ts";
import type { Idempotency } from "./idempotency.ts";
import { parseJson } from "./json.ts";
import { isLoopback } from "./loopback.ts";
import { typedQuery } from "./query.ts";
import { compile, type Validate } from "./validate.ts";

export interface PipelineContext {
  keys: KeyService;
  sandboxes: SandboxService;
  recent: RecentSandboxes;
  tickets: TicketService;
  idempotency: Idempotency;
}

/** Sends the answer, or leaves the connection to the handler. Throws what the client is to be told. */
export type Pipeline = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** Nobody: for routes without a key. */
const ANYONE = { owner: "", operator: false, keyId: "" };

/** Builds the way for one route. */
export function pipeline(context: PipelineContext, route: Route, handle: Handler): Pipeline {
  const checks = compileChecks(route);
  const operation = route.operationId;
  return async (request, reply) => {
    const caller = await authenticate(context, route, request);
    const run = async (): Promise<Answer | undefined> => {
      const call = { caller, request, reply } as Call;
      const source = endsOnHost(operation) ? context.recent : context.sandboxes;
      if (isSandboxRoute(route)) {
        call.sandbox = await source.get(caller, sandboxId(request));
        assertAllowed(operation, call.sandbox);
      }
      Object.assign(call, checks(request));
      if (source === context.sandboxes) return await handle(call);
      try {
        return await handle(call);
      } catch (reason) {
        // The host knows better; the row may by now say why.
        if (isStale(reason)) assertAllowed(operation, await context.recent.renew(caller, call.sandbox.id));
        throw reason;
      }
    };
    const answer = route.headers
      ? await context.idempotency.run(request, { caller, status: route.success.status, run })
      : await run();
    if (answer) await send(reply, route.success.status, answer);
  };
}

async function authenticate(
  { keys, tickets }: PipelineContext,
  route: Route,
  request: FastifyRequest,
): Promise<Caller> {
  const { headers, id: requestId } = request;
  const key = headers[KEY_HEADER];
  if (isOpen(route.auth, request) && key === undefined) return { ...ANYONE, requestId };
  const { ticket } = request.query as { ticket?: unknown };
  if (route.websocket && key === undefined && typeof ticket === "string") {
    const holder = await tickets.redeem(ticket, { sandboxId: pathId(request), headers });
    return { ...holder, requestId };
  }
  const holder = await keys.authenticate(typeof key === "string" ? key : undefined);
  return { ...holder, requestId };
}

function isOpen(auth: RouteAuth, request: FastifyRequest): boolean {
  return auth === "none" || (auth === "key_or_loopback" && isLoopback(request.raw));
}

/** An id that cannot exist does not exist: 404, like one that does not. */
function sandboxId(request: FastifyRequest): string {
  const id = pathId(request);
  if (!isSandboxId(id)) throw new WrennError("not_found", "there is no sandbox of that id");
  return id;
}

function isSandboxRoute({ path }: Route): boolean {
  return path.includes("/sandboxes/{id}");
}

function pathId({ params }: FastifyRequest): string {
  return (params as { id?: string }).id ?? "";
}

/** The checks of a route's parameters, query and JSON body, compiled once. */
function compileChecks(route: Route): (request: FastifyRequest) => Pick<Call, "params" | "query" | "body"> {
  const { params, query, body } = route;
  const checkParams = params && compile<Record<string, string>>(params);
  const checkQuery = compile(query ?? { type: "object", additionalProperties: false });
  const checkBody = body?.contentType === "application/json" ? compile(body.schema) : undefined;
  return (request) => ({
    params: checkParams ? checkPath(checkParams, request.params) : {},
    query: checkQuery(typedQuery(query ?? {}, request.query as Record<string, unknown>)),
    body: checkBody?.(jsonBody(request, body?.optional === true)),
  });
}

/** A name in a path that cannot exist does not exist. */
function checkPath(check: Validate<Record<string, string>>, params: unknown): Record<string, string> {
  try {
    return check(params);
  } catch (cause) {
    throw new WrennError("not_found", "there is nothing of that name", { cause });
  }
}

/** The body is text until here, so that even a malformed one is refused only after the key and the sandbox. */
function jsonBody(request: FastifyRequest, optional: boolean): unknown {
  const bytes = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
  if (bytes.length === 0) {
    if (optional) return {};
    throw new WrennError("invalid_argument", "a JSON body is needed");
  }
  const type = request.raw.headers["content-type"] ?? "";
  if (!/^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) {
    throw new WrennError("unsupported_media_type", "the content type must be application/json in UTF-8");
  }
  return parseJson(bytes);
}

async function send(
  reply: FastifyReply,
  status: number,
  { status: own, body, headers = {} }: Answer,
): Promise<void> {
  reply.code(own ?? status).headers(headers);
  if (body === undefined) await reply.send();
  else if (typeof body === "string") await reply.send(body);
  else await reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
}
