// Bulk bytes as plain HTTP bodies beside the RPCs: PUT and GET /raw/v1/sandboxes/{id}/files?path=P.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2Stream } from "node:http2";
import { pipeline } from "node:stream/promises";
import { WrennError } from "@wrenn/core";
import { relayed } from "@wrenn/rpc/bulk";
import type { Logger } from "pino";
import type { SandboxManager } from "../sandbox/manager.ts";
import { errorBody, logFailure } from "./errors.ts";
import { assertGuestPath } from "./validate.ts";

/**
 * HTTP/2's compatibility classes have all that is used here; their `writeHead` and `end` only differ in overloads that
 * are not, so one pair of types serves both.
 */
type Request = IncomingMessage;
type Response = ServerResponse;

/** On the target as it came: not every target is one that `URL` can read. */
const ROUTE = /^\/raw\/v1\/sandboxes\/([^/?]+)\/files(?:\?(.*))?$/;

/** Handles a raw route; false when the URL is none. */
export function rawRoutes(
  manager: SandboxManager,
  log: Logger,
): (request: Request, response: Response) => boolean {
  return (request, response) => {
    const [, id, query] = ROUTE.exec(request.url ?? "") ?? [];
    if (id === undefined) return false;
    const path = new URLSearchParams(query).get("path") ?? "";
    transfer(manager, { id, path, request, response }).catch((reason: unknown) => {
      const error = WrennError.from(reason, "the transfer failed; the host agent's log has the reason");
      const fields = { request_id: header(request, "x-request-id"), sandbox_id: id };
      logFailure(log, error, fields, "transfer failed");
      // After the first byte the only honest answer is a broken connection.
      if (response.headersSent) response.destroy();
      else respond(response, error);
    });
    return true;
  };
}

interface Transfer {
  id: string;
  path: string;
  request: Request;
  response: Response;
}

async function transfer(manager: SandboxManager, { id, path, request, response }: Transfer): Promise<void> {
  assertGuestPath(path);
  const left = new AbortController();
  const reason = new WrennError("invalid_argument", "the caller went away before the transfer was complete");
  response.once("close", () => left.abort(reason));
  // Before whoever reads it takes that end for the content's.
  request.once("end", () => {
    if (wasReset(request)) left.abort(reason);
  });
  const requestId = header(request, "x-request-id");
  const common = requestId === undefined ? {} : { requestId };
  await manager.use(id, async (guest, gone) => {
    const signal = AbortSignal.any([left.signal, gone]);
    if (request.method === "PUT") {
      const length = header(request, "content-length");
      const options = {
        ...common,
        signal,
        ...(length === undefined ? {} : { contentLength: Number(length) }),
      };
      await guest.writeFile(path, request, options);
      response.writeHead(204).end();
    } else if (request.method === "GET") {
      const { body, contentLength } = await guest.readFile(path, { ...common, signal });
      response.writeHead(200, {
        "content-type": "application/octet-stream",
        ...(contentLength === undefined ? {} : { "content-length": contentLength }),
      });
      await pipeline(relayed(body), response);
    } else throw new WrennError("invalid_argument", `${request.method} is not for files: use PUT or GET`);
  });
}

/** HTTP/2: a request that its sender has reset ends as one that is whole does, and its response may close after that. */
function wasReset(request: Request & { stream?: Http2Stream }): boolean {
  return request.stream?.closed === true;
}

function respond(response: Response, error: WrennError): void {
  response.writeHead(error.httpStatus, { "content-type": "application/json" });
  response.end(errorBody(error));
}

function header(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
