// The serving end of unary calls: on connections that were handed over, as frames, one call at a time on each.
import type { Duplex } from "node:stream";
import { create, type DescMethodUnary, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { answerFrame, type CallHead, ERROR, FrameReader, MESSAGE, parseCall, TooLarge } from "./frame.ts";
import { MAX_TIMER_MS, nameOfCode, TIMEOUT_HEADER } from "./protocol.ts";

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

interface Route {
  desc: DescMethodUnary;
  run: Method;
}

export interface UnaryServer {
  /** Serves the methods of `service` that have one answer. */
  service<S extends DescService>(service: S, methods: Partial<Methods<S>>): void;
  /** Serves a connection from here on, until the other end closes it. */
  accept(socket: Duplex): void;
  /** Closes all connections, which breaks off the calls under way, and those that are still to come. */
  close(): void;
}

export function unaryServer(options: UnaryServerOptions): UnaryServer {
  const routes = new Map<string, Route>();
  const sockets = new Set<Duplex>();
  let closed = false;
  return {
    service(service, methods) {
      for (const desc of service.methods) {
        if (desc.methodKind !== "unary") continue;
        const run = (methods as Record<string, Method>)[desc.localName];
        if (run) routes.set(`${service.typeName}/${desc.name}`, { desc: desc as DescMethodUnary, run });
      }
    },
    accept(socket) {
      // It was on its way while everything ended.
      if (closed) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      serve(socket, routes, options);
    },
    close() {
      closed = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}

function serve(socket: Duplex, routes: ReadonlyMap<string, Route>, options: UnaryServerOptions): void {
  const reader = new FrameReader(options.maxBytes);
  /** Of the call under way. */
  let left: AbortController | undefined;
  const gone = () => {
    left?.abort(new ConnectError("the caller has left", Code.Canceled));
    socket.destroy();
  };
  const take = async (frame: Buffer) => {
    left = new AbortController();
    const bytes = await answer(frame, left, { routes, options });
    left = undefined;
    if (socket.writable) socket.write(bytes);
  };
  socket.on("error", gone).once("close", gone).once("end", gone);
  socket.on("data", (chunk: Buffer) => {
    // Not its turn.
    if (left) {
      gone();
      return;
    }
    try {
      const frame = reader.push(chunk);
      if (frame) take(frame).catch(gone);
    } catch (reason) {
      if (!(reason instanceof TooLarge)) {
        gone();
        return;
      }
      // The rest of it flows by.
      socket.write(errorFrame(new ConnectError(reason.message, Code.ResourceExhausted)));
    }
  });
}

/** The frame of a call's answer or error. Throws for what is no call: there is nothing to answer then. */
async function answer(
  frame: Buffer,
  left: AbortController,
  { routes, options }: { routes: ReadonlyMap<string, Route>; options: UnaryServerOptions },
): Promise<Buffer> {
  const { head, message } = parseCall(frame);
  let timer: NodeJS.Timeout | undefined;
  try {
    const route = routes.get(head.path);
    if (!route) throw new ConnectError(`there is no method ${head.path}`, Code.Unimplemented);
    const timeoutMs = timeoutOf(head);
    const late = () => left.abort(new ConnectError("the deadline has passed", Code.DeadlineExceeded));
    if (timeoutMs !== undefined) timer = setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
    const { desc, run } = route;
    const request = parse(desc, message);
    const requestHeader = { get: (name: string) => head.headers.get(name.toLowerCase()) ?? null };
    const call = { method: desc, signal: left.signal, requestHeader };
    const result = await options.around(call, async () => await run(request, call));
    return answerFrame(
      MESSAGE,
      toBinary(desc.output, create(desc.output, result as Record<string, unknown>)),
    );
  } catch (reason) {
    return errorFrame(asConnectError(reason));
  } finally {
    clearTimeout(timer);
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
function timeoutOf({ headers }: CallHead): number | undefined {
  const value = headers.get(TIMEOUT_HEADER);
  if (value === undefined) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value);
  throw new ConnectError(`${TIMEOUT_HEADER} must be milliseconds`, Code.InvalidArgument);
}

function asConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, reason);
}

function errorFrame({ code, rawMessage, metadata }: ConnectError): Buffer {
  const body = { code: nameOfCode(code), message: rawMessage, metadata: Object.fromEntries(metadata) };
  return answerFrame(ERROR, Buffer.from(JSON.stringify(body)));
}
