// Connect's universal handlers behind a fetch-style server.
import { createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { OpenStreams } from "../streams/open-streams.ts";
import { type Connection, connectionKey } from "./call.ts";

/** Bodies of this size and less are read in one go. */
const SMALL_BODY_BYTES = 64 * 1024;

/**
 * Answers a request with a Connect handler. Differs from Connect's own `createFetchHandler` in what the agent
 * needs: unary answers and small requests pass without a stream (most of the cost of a short call), and a
 * stream's connection can be broken from inside ({@link Connection}).
 */
export async function serveRpc(
  handler: UniversalHandler,
  request: Request,
  connection: Connection,
  streams: OpenStreams,
): Promise<Response> {
  const response = await handler({
    httpVersion: "1.1",
    method: request.method,
    url: request.url,
    header: request.headers,
    body: requestBody(request),
    signal: request.signal,
    contextValues: createContextValues().set(connectionKey, connection),
  });
  return toResponse(response, connection, streams);
}

async function* requestBody(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  if (Number(request.headers.get("content-length") ?? Number.NaN) <= SMALL_BODY_BYTES) {
    yield new Uint8Array(await request.arrayBuffer());
    return;
  }
  yield* request.body;
}

async function toResponse(
  response: UniversalServerResponse,
  connection: Connection,
  streams: OpenStreams,
): Promise<Response> {
  const init = { status: response.status, headers: response.header ?? new Headers() };
  if (response.body === undefined) return new Response(null, init);
  const chunks = response.body[Symbol.asyncIterator]();
  if (init.headers.has("content-length")) {
    const { value, done } = await chunks.next();
    return new Response(done ? null : (value as Uint8Array<ArrayBuffer>), init);
  }
  return new Response(toStream(chunks, connection, streams.enter()), init);
}

/** A stream that asks for the next chunk when the socket has taken the one before. */
function toStream(
  chunks: AsyncIterator<Uint8Array>,
  connection: Connection,
  leave: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      connection.abort = () => {
        controller.error(new Error("the answer was not taken in time"));
        leave();
      };
    },
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (!done) return controller.enqueue(value);
      controller.close();
      leave();
    },
    async cancel(reason) {
      leave();
      await chunks.throw?.(reason).catch(() => undefined);
    },
  });
}
