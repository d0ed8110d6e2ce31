// Unary calls of the Connect protocol as one plain HTTP exchange each.
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { codeOfName, codeOfStatus, HEADERS, MAX_TIMER_MS, PROTO } from "./protocol.ts";
import { readAll, TooLarge } from "./read-all.ts";

export interface UnaryClientOptions {
  /** Opens a request on a kept-alive connection. */
  request(options: { method: string; path: string; headers: OutgoingHttpHeaders }): ClientRequest;
  /** A longer answer is an error. */
  maxBytes: number;
}

/**
 * The `unary` of a transport. It does what connect-node does for binary messages without compression, with a third of
 * the work: no web headers, streams or abort signals are made for a call. Failures are the same ConnectErrors.
 * Protocol: https://connectrpc.com/docs/protocol#unary-request
 */
export function unaryClient({ request, maxBytes }: UnaryClientOptions): Transport["unary"] {
  return async (method, signal, timeoutMs, header, input) => {
    signal?.throwIfAborted();
    const body = toBinary(method.input, create(method.input, input));
    const call = request({
      method: "POST",
      path: `/${method.parent.typeName}/${method.name}`,
      headers: {
        ...(header && plain(header)),
        "content-type": PROTO,
        "content-length": body.length,
        [HEADERS.version]: "1",
        ...(timeoutMs !== undefined && { [HEADERS.timeout]: timeoutMs }),
      },
    });
    const cancel = () => call.destroy(ConnectError.from(signal?.reason, Code.Canceled));
    const late = () => call.destroy(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const { response, bytes } = await answerOf(call, body, maxBytes);
      if (response.statusCode !== 200) throw errorOf(response, bytes);
      return unaryResponse(method, fromBinary(method.output, bytes), response);
    } catch (reason) {
      throw asConnectError(reason);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
  };
}

/** Web headers are made for those who ask for them: hardly anybody does. */
function unaryResponse<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  message: MessageShape<O>,
  response: IncomingMessage,
): UnaryResponse<I, O> {
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      return webHeaders(response);
    },
    get trailer() {
      return new Headers();
    },
  };
}

function answerOf(
  request: ClientRequest,
  body: Uint8Array,
  maxBytes: number,
): Promise<{ response: IncomingMessage; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    // An error of the request behind its answer is the answer's error as well.
    request.on("error", reject);
    request.once("response", (response) => {
      readAll(response, maxBytes).then(
        (bytes) => resolve({ response, bytes }),
        (reason: unknown) => {
          response.destroy();
          reject(reason);
        },
      );
    });
    request.end(body);
  });
}

/** The error that an answer describes: JSON, or whatever something between the two ends has made of it. */
function errorOf(response: IncomingMessage, bytes: Buffer): ConnectError {
  const status = response.statusCode ?? 0;
  const metadata = webHeaders(response);
  try {
    const { code, message } = JSON.parse(bytes.toString("utf8")) as { code?: unknown; message?: unknown };
    const text = typeof message === "string" ? message : "";
    return new ConnectError(text, codeOfName(code) ?? codeOfStatus(status), metadata);
  } catch {
    return new ConnectError(`HTTP ${status}`, codeOfStatus(status), metadata);
  }
}

/** A connection that could not be made, or broke, is `unavailable`. */
function asConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (reason instanceof TooLarge) return new ConnectError(reason.message, Code.ResourceExhausted);
  const broken = reason instanceof Error && ("syscall" in reason || "code" in reason);
  return new ConnectError(
    reason instanceof Error ? reason.message : String(reason),
    broken ? Code.Unavailable : Code.Internal,
    undefined,
    undefined,
    reason,
  );
}

function plain(header: HeadersInit): Record<string, string> {
  if (header instanceof Headers || Array.isArray(header)) {
    return Object.fromEntries(header as Iterable<[string, string]>);
  }
  return header as Record<string, string>;
}

function webHeaders({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return headers;
}
