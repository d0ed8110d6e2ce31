// Unary calls of the Connect protocol as one plain HTTP exchange each.
import type { IncomingHttpHeaders } from "node:http";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Dispatcher } from "undici";
import { codeOfName, codeOfStatus, HEADERS, MAX_TIMER_MS, PROTO } from "./protocol.ts";
import { TooLarge } from "./read-all.ts";

export interface UnaryClientOptions {
  /** The connections to the one server. */
  dispatcher: Pick<Dispatcher, "dispatch">;
  /** A longer answer is an error. */
  maxBytes: number;
}

/**
 * The `unary` of a transport. It does what connect-node does for binary messages without compression, with a third of
 * the work: no web headers, streams or abort signals are made for a call. Failures are the same ConnectErrors.
 * Protocol: https://connectrpc.com/docs/protocol#unary-request
 */
export function unaryClient({ dispatcher, maxBytes }: UnaryClientOptions): Transport["unary"] {
  return async (method, signal, timeoutMs, header, input) => {
    signal?.throwIfAborted();
    const body = toBinary(method.input, create(method.input, input));
    const exchange = new Exchange(maxBytes);
    const cancel = () => exchange.cancel(ConnectError.from(signal?.reason, Code.Canceled));
    const late = () => exchange.cancel(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
    signal?.addEventListener("abort", cancel, { once: true });
    const request: Dispatcher.DispatchOptions = {
      method: "POST",
      path: `/${method.parent.typeName}/${method.name}`,
      headers: {
        ...(header && plain(header)),
        "content-type": PROTO,
        [HEADERS.version]: "1",
        ...(timeoutMs !== undefined && { [HEADERS.timeout]: String(timeoutMs) }),
      },
      body,
      // The call's own deadline is the only one.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      dispatcher.dispatch(request, exchange);
      const answer = await exchange.answered;
      if (answer.status !== 200) throw errorOf(answer);
      return unaryResponse(method, fromBinary(method.output, answer.bytes), answer.headers);
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
  headers: IncomingHttpHeaders,
): UnaryResponse<I, O> {
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      return webHeaders(headers);
    },
    get trailer() {
      return new Headers();
    },
  };
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
}

/** Makes one exchange; its callbacks are undici's own, below its streams and promises. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly answered: Promise<Answer>;
  readonly #maxBytes: number;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  /** Given up before it had a connection. */
  #cancelled: Error | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #size = 0;

  constructor(maxBytes: number) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answered = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#maxBytes = maxBytes;
  }

  cancel(reason: Error): void {
    this.#reject(reason);
    this.#cancelled = reason;
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled) controller.abort(this.#cancelled);
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number, headers: IncomingHttpHeaders): void {
    this.#status = statusCode;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size <= this.#maxBytes) this.#chunks.push(chunk);
    else controller.abort(new TooLarge(`a message is longer than ${this.#maxBytes} bytes`));
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const bytes = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, bytes });
  }

  onResponseError(_: Dispatcher.DispatchController, reason: Error): void {
    this.#reject(reason);
  }
}

/** The error that an answer describes: JSON, or whatever something between the two ends has made of it. */
function errorOf({ status, headers, bytes }: Answer): ConnectError {
  const metadata = webHeaders(headers);
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

function webHeaders(given: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(given)) {
    for (const value of [values].flat()) headers.append(name, value);
  }
  return headers;
}
