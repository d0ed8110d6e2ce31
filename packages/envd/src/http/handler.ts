// Every request to the agent: access, dispatch, log line.
import { createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { MIB, WrennError } from "@wrenn/core";
import { Filesystem, Process } from "@wrenn/rpc/envd";
import type { Log } from "../agent/log.ts";
import type { AgentState } from "../agent/state.ts";
import { composeFiles } from "../files/compose.ts";
import { serveFile } from "../files/download.ts";
import { readMetadata } from "../files/metadata.ts";
import { receiveUpload } from "../files/upload.ts";
import { filesystemService } from "../filesystem/filesystem-service.ts";
import { resolvePath } from "../filesystem/paths.ts";
import type { Interpreter } from "../interpreter/interpreter.ts";
import type { Machine } from "../platform/machine.ts";
import type { Connections } from "../platform/server.ts";
import { sha256Base64 } from "../platform/sha256.ts";
import { processService } from "../process/process-service.ts";
import type { ProcessTable } from "../process/process-table.ts";
import { toConnectError } from "../rpc/errors.ts";
import { serveRpc } from "../rpc/fetch-adapter.ts";
import type { Attachments } from "../streams/attachments.ts";
import type { OpenStreams } from "../streams/open-streams.ts";
import { basicUser, namedUser } from "../users/request-user.ts";
import type { UserDirectory } from "../users/user-directory.ts";
import { errorResponse } from "./errors.ts";
import { checkAccess } from "./gate.ts";
import { handleInit } from "./init.ts";
import { MetricsReader } from "./metrics.ts";
import { handleQuiesce } from "./quiesce.ts";
import { readJson } from "./read-json.ts";

/** One message of an RPC, input for a process included. */
const MAX_MESSAGE_BYTES = 4 * MIB;

const REQUEST_ID = /^[\w.:-]{1,128}$/;

export interface Agent {
  state: AgentState;
  users: UserDirectory;
  table: ProcessTable;
  machine: Machine;
  log: Log;
  attachments: Attachments;
  connections: Connections;
  streams: OpenStreams;
  interpreter: Interpreter | undefined;
  /** Milliseconds after which a reader that takes nothing is cut off. */
  stallMs: number;
  /** See `defaults-file.ts`. */
  defaultsFile: string;
  /** A response body that the server sends from a file without copying. */
  fileBody: (path: string) => Blob;
}

type Route = (request: Request, url: URL) => Response | Promise<Response>;

/** The agent as a function from request to response. Never throws. */
export function createHandler(agent: Agent) {
  const rpcs = rpcHandlers(agent);
  const routes = httpRoutes(agent);

  return async (request: Request): Promise<Response> => {
    const began = performance.now();
    const path = pathOf(request.url);
    const requestId = readRequestId(request);
    const rpc = rpcs.get(path);
    const response = await respond();
    if (path !== "/health") {
      const ms = Math.round(performance.now() - began);
      const { status } = response;
      const name = status === 404 ? "unknown" : path.slice(path.lastIndexOf("/") + 1);
      agent.log.write("info", name, { request_id: requestId, status, ms });
    }
    return response;

    async function respond(): Promise<Response> {
      try {
        checkAccess(request, path, agent.state, sha256Base64);
        if (rpc !== undefined)
          return await serveRpc(rpc, request, { requestId, abort: undefined }, agent.streams);
        const route = routes[`${request.method} ${path}`];
        if (route === undefined) throw new WrennError("not_found", `no route ${request.method} ${path}`);
        return await route(request, new URL(request.url));
      } catch (reason) {
        const error = WrennError.from(reason, "internal error of the guest agent");
        if (error.code === "internal") {
          agent.log.write("error", "request failed", { request_id: requestId, cause: String(error.cause) });
        }
        return rpc === undefined ? errorResponse(error) : rpcRefusal(error);
      }
    }
  };
}

function rpcHandlers(agent: Agent): Map<string, UniversalHandler> {
  const router = createConnectRouter({ grpc: false, grpcWeb: false, readMaxBytes: MAX_MESSAGE_BYTES })
    .service(Process, processService(agent))
    .service(Filesystem, filesystemService(agent));
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function httpRoutes(agent: Agent): Partial<Record<string, Route>> {
  const { state, users } = agent;
  const metrics = new MetricsReader();
  const fileTarget = (request: Request, url: URL) => {
    const name = url.searchParams.get("username") || basicUser(request.headers.get("authorization"));
    const user = namedUser(name, users, state);
    const resolve = (path: string, field?: string) => resolvePath(path, user, state.defaultWorkdir, field);
    return { user, resolve };
  };
  return {
    "GET /health": () => new Response(null, { status: 204 }),
    "GET /metrics": () => Response.json(metrics.read()),
    "GET /envs": () => Response.json(state.envs),
    "GET /settled": async () => {
      await agent.interpreter?.settled;
      return new Response(null, { status: 204 });
    },
    "POST /init": (request) => handleInit(request, agent),
    "POST /quiesce": (request) => handleQuiesce(request, agent),
    "POST /unquiesce": () => {
      agent.attachments.release();
      return new Response(null, { status: 204 });
    },
    "GET /files": (request, url) => {
      const path = fileTarget(request, url).resolve(url.searchParams.get("path") ?? "");
      return serveFile({ path, headers: request.headers, fileBody: agent.fileBody });
    },
    "POST /files": async (request, url) => {
      const { user, resolve } = fileTarget(request, url);
      const path = url.searchParams.get("path") ?? undefined;
      return Response.json(await receiveUpload({ request, path, resolve, owner: user }));
    },
    "POST /files/compose": async (request, url) => {
      const { user, resolve } = fileTarget(request, url);
      const body = await readJson(request, "/files/compose");
      const metadata = readMetadata(request.headers);
      return Response.json(await composeFiles({ body, resolve, owner: user, metadata }));
    },
  };
}

/** A refusal before the call began, in the shape that Connect clients read. */
function rpcRefusal(error: WrennError): Response {
  const { metadata } = toConnectError(error);
  const code = error.code === "unauthorized" ? "unauthenticated" : "internal";
  return Response.json({ code, message: error.message }, { status: error.httpStatus, headers: metadata });
}

/** The path of an absolute URL; cheaper than parsing all of it. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", start);
  return url.slice(start, query === -1 ? undefined : query);
}

/** The caller's id for the request, if it may stand in a log. */
function readRequestId(request: Request): string | undefined {
  const id = request.headers.get("x-request-id");
  return id !== null && REQUEST_ID.test(id) ? id : undefined;
}
