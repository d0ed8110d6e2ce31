// The serving end of unary Connect calls with binary messages; everything else is left to connect-node.
import type { IncomingMessage, ServerResponse } from "node:http";
import { create, type DescMethodUnary, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { HEADERS, JSON_TYPE, MAX_TIMER_MS, nameOfCode, PROTO, statusOfCode } from "./protocol.ts";
import { readAll, TooLarge } from "./read-all.ts";

/** What a method may know about its call. */
export interface UnaryCall {
  readonly method: { readonly name: string };
  /** Aborted when the caller has left, or its deadline has passed, before there was an answer. */
  readonly signal: AbortSignal;
  readonly requestHeader: Pick<Headers, "get">;
}

/** The methods of a service, of which those with one answer make do with a {@link UnaryCall}. */
export type Methods<S extends DescService> = {
  [M in keyof ServiceImpl<S>]: ServiceImpl<S>[M] extends (request: infer R, call: HandlerContext) => infer A
    ? (request: R, call: UnaryCall) => A
    : never;
};

export interface UnaryServerOptions {
  /** A longer message is refused with `resource_exhausted`. */
  maxBytes: number;
  /** Runs a method: the place for logging, and for turning what it throws into a ConnectError. */
  around(call: UnaryCall, run: () => Promise<unknown>): Promise<unknown>;
}

type Method = (request: unknown, call: UnaryCall) => unknown;

export interface UnaryServer {
  /** Serves the methods of `service` that have one answer. */
  service<S extends DescService>(service: S, methods: Partial<Methods<S>>): void;
  /** Takes a request on; false when it is none of a registered method, or not a plain binary one. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/**
 * Saves what connect-node spends on web headers, streams and signals, which is more than all else between two processes
 * of one machine.
 */
export function unaryServer(options: UnaryServerOptions): UnaryServer {
  const routes = new Map<string, { desc: DescMethodUnary; run: Method }>();
  return {
    service(service, methods) {
      for (const desc of service.methods) {
        if (desc.methodKind !== "unary") continue;
        const run = (methods as Record<string, Method>)[desc.localName];
        if (run) routes.set(`/${service.typeName}/${desc.name}`, { desc: desc as DescMethodUnary, run });
      }
    },
    handle(request, response) {
      const { headers } = request;
      const route = request.method === "POST" ? routes.get(request.url ?? "") : undefined;
      if (!route || headers["content-type"] !== PROTO || headers["content-encoding"] !== undefined) {
        return false;
      }
      answer(route.desc, route.run, { request, response, options }).catch(() => response.destroy());
      return true;
    },
  };
}

async function answer(
  desc: DescMethodUnary,
  run: Method,
  {
    request,
    response,
    options,
  }: { request: IncomingMessage; response: ServerResponse; options: UnaryServerOptions },
): Promise<void> {
  const left = new AbortController();
  const gone = () => left.abort(new ConnectError("the caller has left", Code.Canceled));
  response.once("close", gone);
  let timer: NodeJS.Timeout | undefined;
  try {
    const timeoutMs = timeoutOf(request);
    const late = () => left.abort(new ConnectError("the deadline has passed", Code.DeadlineExceeded));
    if (timeoutMs !== undefined) timer = setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
    const message = parse(desc, await readAll(request, options.maxBytes));
    const requestHeader = { get: (name: string) => headerOf(request, name) };
    const call = { method: desc, signal: left.signal, requestHeader };
    const result = await options.around(call, async () => await run(message, call));
    const bytes = toBinary(desc.output, create(desc.output, result as Record<string, unknown>));
    response.writeHead(200, { "content-type": PROTO, "content-length": bytes.length });
    response.end(bytes);
  } catch (reason) {
    refuse(response, asConnectError(reason));
  } finally {
    clearTimeout(timer);
    response.off("close", gone);
  }
}

/** Throws `invalid_argument` for bytes that are no such message. */
function parse(desc: DescMethodUnary, bytes: Uint8Array): unknown {
  try {
    return fromBinary(desc.input, bytes);
  } catch (cause) {
    const message = `not a ${desc.input.typeName}`;
    throw new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
  }
}

/** Throws `invalid_argument` for what is not a time. */
function timeoutOf({ headers }: IncomingMessage): number | undefined {
  const value = headers[HEADERS.timeout];
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^\d{1,10}$/.test(value)) return Number(value);
  throw new ConnectError(`${HEADERS.timeout} must be milliseconds`, Code.InvalidArgument);
}

function asConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (reason instanceof TooLarge) return new ConnectError(reason.message, Code.ResourceExhausted);
  return new ConnectError("internal error", Code.Internal, undefined, undefined, reason);
}

function refuse(response: ServerResponse, error: ConnectError): void {
  const body = Buffer.from(JSON.stringify({ code: nameOfCode(error.code), message: error.rawMessage }));
  response.writeHead(statusOfCode(error.code), {
    ...Object.fromEntries(error.metadata),
    "content-type": JSON_TYPE,
    "content-length": body.length,
  });
  response.end(body);
}

function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return (Array.isArray(value) ? value.join(", ") : value) ?? null;
}
