// The HTTP server: Fastify with the routes of the table, and JSON for whatever goes wrong.
import { E2B_ROUTES, fastifyPath, REQUEST_ID_HEADER, ROUTES, type Route } from "@wrenn/api";
import { LIMITS, WrennError } from "@wrenn/core";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import type { Logger } from "pino";
import { toE2bError } from "../e2b/error-body.ts";
import { linger } from "../files/linger.ts";
import type { SandboxProxy } from "../proxy/proxy.ts";
import type { Metrics } from "../services/metrics.ts";
import { answerClientError } from "./client-error.ts";
import { registerConsole } from "./console.ts";
import { registerDocs } from "./docs.ts";
import { type ErrorAnswer, fromThrown, toErrorAnswer } from "./errors.ts";
import type { E2bHandlers, Handlers } from "./handler.ts";
import { httpListener } from "./listener.ts";
import { type PipelineContext, pipeline } from "./pipeline.ts";
import { requestIdOf } from "./request-id.ts";

export interface ServerOptions {
  context: PipelineContext;
  handlers: Handlers;
  e2bHandlers: E2bHandlers;
  proxy: SandboxProxy;
  metrics: Metrics;
  log: Logger;
  version: string;
  /** How long the sender of a body may stand still. */
  stallMs: number;
}

/** Room for the parts of a form around its file. */
const FORM_OVERHEAD_BYTES = 64 * 1024;

/** What Fastify is told about every body. The checks look at what the client said. */
const SOME_BYTES = { "content-type": "application/octet-stream" };

/** What a page of another site may do with an answer: nothing. The documentation and the console have policies of their own. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { context, handlers, e2bHandlers, proxy, log, version } = options;
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    // One line a request, at its end: see the hook below.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.jsonBodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    // Its own answer to requests that come while it closes is none of our shape; they are served instead.
    return503OnClosing: false,
    genReqId: requestIdOf,
    serverFactory: (api) => httpListener(proxy, api),
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
  });
  // Bodies stay bytes until the key and the sandbox have been checked.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(() => {
    throw new WrennError("not_found", "there is no such route; see /docs");
  });
  addHooks(app, options);
  await registerDocs(app, version);
  registerConsole(app);
  for (const route of ROUTES as readonly Route[]) {
    const handle = pipeline(context, route, handlers[route.operationId as keyof Handlers]);
    addRoute(app, route, handle, toErrorAnswer);
  }
  for (const route of E2B_ROUTES as readonly Route[]) {
    const handle = pipeline(context, route, e2bHandlers[route.operationId as keyof E2bHandlers]);
    addRoute(app, route, handle, toE2bError);
  }
  return app;
}

/** How a route's failures are written. */
type ErrorWriter = (error: WrennError) => ErrorAnswer;

declare module "fastify" {
  interface FastifyRequest {
    /** Whether the sender of the body is held to its pace. */
    bodyWatch: "due" | "on" | "over";
  }
  interface FastifyContextConfig {
    /** Absent where no route matched. */
    writeError?: ErrorWriter;
  }
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  handle: ReturnType<typeof pipeline>,
  writeError: ErrorWriter,
): void {
  const { method, path } = route;
  const options = { method, url: fastifyPath(path), handler: handle, config: { writeError } } as const;
  if (route.body?.contentType === "application/json") {
    app.route(options);
    return;
  }
  // Forms are streamed: the handler reads them. Only a length that is announced can be refused beforehand.
  // Where no body belongs, one that comes all the same is not looked at.
  const limit =
    route.operationId === "writeFile"
      ? LIMITS.filesWriteBytes + FORM_OVERHEAD_BYTES
      : Number.POSITIVE_INFINITY;
  app.register((scope, _options, registered) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (request, _payload, done) => {
      const length = Number(request.headers["content-length"] ?? 0);
      if (length > limit) done(new WrennError("too_large", `the form must be at most ${limit} bytes`));
      else done(null);
    });
    scope.route(options);
    registered();
  });
}

/** Lets requests under way come to an end, for a while; then breaks them off. */
export async function closeServer(app: FastifyInstance, drainMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), drainMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

function addHooks(app: FastifyInstance, { log, metrics, stallMs }: ServerOptions): void {
  let closing = false;
  app.decorateRequest("bodyWatch", "due");
  app.addHook("preClose", async () => {
    closing = true;
  });
  // With callbacks: they run for every request, and none of them waits.
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers({ ...SECURITY_HEADERS, [REQUEST_ID_HEADER]: request.id });
    // Node's own check has no body either (RFC 9112, section 3.2).
    if (request.headers.host === undefined && request.raw.httpVersion === "1.1") {
      done(new WrennError("invalid_argument", "the header Host is needed"));
      return;
    }
    // What kind of body it is counts after the key and the sandbox; Fastify would refuse an odd one before them.
    if (request.raw.headers["content-type"] !== undefined) request.headers = SOME_BYTES;
    // Nearly always the body is there with the head, and nothing need be watched.
    process.nextTick(watchBody, request, stallMs);
    done();
  });
  app.addHook("preValidation", (request, _reply, done) => {
    if (request.bodyWatch === "on") request.raw.setTimeout(0);
    request.bodyWatch = "over";
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    // Node closes what is idle when it begins to close; this connection is idle only from now on.
    if (closing) setImmediate(() => app.server.closeIdleConnections());
    const route = request.routeOptions.url ?? "unknown";
    metrics.request({ route, method: request.method, status: reply.statusCode }, reply.elapsedTime / 1000);
    log.info(
      {
        req_id: request.id,
        method: request.method,
        // Without the query: a ticket may be in it.
        path: request.url.split("?", 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 100) / 100,
      },
      "request",
    );
    done();
  });
}

/** Until the body is there, a client that stops sending it does not hold the connection for ever. */
function watchBody(request: FastifyRequest, stallMs: number): void {
  if (request.bodyWatch === "over" || request.raw.complete) return;
  request.bodyWatch = "on";
  request.raw.setTimeout(stallMs, () => request.raw.destroy());
}

async function sendError(reason: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const error = fromThrown(reason);
  // What this version does not have is no failure of it.
  if (error.httpStatus >= 500 && error.code !== "not_implemented")
    request.log.error({ req_id: request.id, err: error }, error.message);
  const { writeError = toErrorAnswer } = request.routeOptions.config;
  const { status, headers, body } = writeError(error);
  linger(request.raw);
  await reply
    .code(status)
    .headers({ ...SECURITY_HEADERS, [REQUEST_ID_HEADER]: request.id, ...headers })
    .removeHeader("content-length")
    // Fastify closes after a body that it did not read; the rest is read by linger() instead.
    .removeHeader("connection")
    .type("application/json; charset=utf-8")
    .send(JSON.stringify(body));
}
