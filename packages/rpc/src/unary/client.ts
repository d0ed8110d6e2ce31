// The calling end of unary calls: connections that are kept, each with one call at a time.
import type { Socket } from "node:net";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { Connection, type Waiting } from "./connection.ts";
import { callFrame, ERROR, parseAnswer } from "./frame.ts";
import { codeOfName, MAX_TIMER_MS, TIMEOUT_HEADER } from "./protocol.ts";

export interface UnaryClientOptions {
  /**
   * Opens a connection that the other end serves with {@link UnaryServer.accept}. Once `signal` is aborted nobody waits
   * for it any more, and it has to give up.
   */
  connect: (signal: AbortSignal) => Promise<Socket>;
  /** A longer answer is an error. */
  maxBytes: number;
}

export interface UnaryClient {
  /** The `unary` of a transport. Failures are ConnectErrors, as connect-node's are. */
  unary: Transport["unary"];
  /** Breaks off all calls; later ones fail. */
  close(): void;
}

/** Connections kept for calls to come; what was open beyond them is closed after its call. */
const MAX_IDLE = 64;

/** Opens nothing before the first call. */
export function unaryClient(options: UnaryClientOptions): UnaryClient {
  const pool = new Pool(options);
  return {
    async unary(method, signal, timeoutMs, header, input) {
      signal?.throwIfAborted();
      const headers = header === undefined ? [] : entries(header);
      const deadlineMs = timeoutMs === undefined ? undefined : wholeMs(timeoutMs);
      if (deadlineMs !== undefined) headers.push([TIMEOUT_HEADER, String(deadlineMs)]);
      const message = toBinary(method.input, create(method.input, input));
      const call = new Call(callFrame(`${method.parent.typeName}/${method.name}`, headers, message));
      const cancel = () => call.end(ConnectError.from(signal?.reason, Code.Canceled));
      const late = () => call.end(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      const timer = deadlineMs === undefined ? undefined : setTimeout(late, deadlineMs);
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        pool.start(call);
        const { kind, body } = parseAnswer(await call.answered);
        if (kind === ERROR) throw parseError(body);
        return unaryResponse(method, fromBinary(method.output, body));
      } catch (reason) {
        throw asConnectError(reason);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
      }
    },
    close: () => pool.close(),
  };
}

/** One call, from before it has a connection. */
class Call implements Waiting {
  readonly frame: Buffer;
  readonly answered: Promise<Buffer>;
  /** Told when the connection is free again. */
  release: (() => void) | undefined;
  /** Breaks off what goes on for it: the attempt to connect, then the exchange. */
  breakOff: ((reason: ConnectError) => void) | undefined;
  ended = false;
  readonly #resolve: (frame: Buffer) => void;
  readonly #reject: (reason: unknown) => void;

  constructor(frame: Buffer) {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.frame = frame;
    this.answered = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  done(frame: Buffer): void {
    this.ended = true;
    this.release?.();
    this.#resolve(frame);
  }

  failed(reason: unknown): void {
    this.ended = true;
    this.#reject(reason);
  }

  /** Gives it up. The other side learns it from the end of the connection. */
  end(reason: ConnectError): void {
    if (this.ended) return;
    this.failed(reason);
    this.breakOff?.(reason);
  }
}

/** The connections to one server. */
class Pool {
  readonly #options: UnaryClientOptions;
  readonly #open = new Set<Connection>();
  /** The one that was used last is used next. */
  readonly #idle: Connection[] = [];
  /** Calls that wait for a connection of their own. */
  readonly #connecting = new Set<Call>();
  #closed = false;

  constructor(options: UnaryClientOptions) {
    this.#options = options;
  }

  start(call: Call): void {
    const kept = this.#kept();
    if (kept) this.#begin(kept, call);
    else if (this.#closed) call.failed(closed());
    else this.#connect(call).then((made) => this.#begin(made, call), call.failed.bind(call));
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#open]) connection.destroy(closed());
    for (const call of [...this.#connecting]) call.end(closed());
  }

  /** One that still goes: between the other side's end and the close of a connection there is time for a call. */
  #kept(): Connection | undefined {
    let kept = this.#idle.pop();
    while (kept && !kept.reusable) kept = this.#idle.pop();
    return kept;
  }

  async #connect(call: Call): Promise<Connection> {
    const socket = await this.#dial(call);
    if (this.#closed) {
      socket.destroy();
      throw closed();
    }
    const onClose = () => {
      this.#open.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    const connection = new Connection(socket, { maxBytes: this.#options.maxBytes, onClose });
    this.#open.add(connection);
    return connection;
  }

  /** Calls that were given up leave no attempts behind: a host that accepts and is silent would collect them. */
  async #dial(call: Call): Promise<Socket> {
    const attempt = new AbortController();
    call.breakOff = (reason) => attempt.abort(reason);
    this.#connecting.add(call);
    try {
      return await this.#options.connect(attempt.signal);
    } finally {
      this.#connecting.delete(call);
    }
  }

  #begin(connection: Connection, call: Call): void {
    // It was given up while the connection was made.
    if (call.ended) {
      this.#keep(connection);
      return;
    }
    call.breakOff = (reason) => connection.destroy(reason);
    call.release = () => this.#keep(connection);
    connection.begin(call.frame, call);
  }

  #keep(connection: Connection): void {
    if (connection.reusable && this.#idle.length < MAX_IDLE) this.#idle.push(connection);
    else connection.destroy(undefined);
  }
}

/** What the other side takes: no fraction, at most ten digits. */
function wholeMs(timeoutMs: number): number {
  return Math.min(Math.max(0, Math.ceil(timeoutMs)), MAX_TIMER_MS);
}

function closed(): ConnectError {
  return new ConnectError("the connections to the server were closed", Code.Unavailable);
}

/** Headers of an answer are not carried; those who ask find none. */
function unaryResponse<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  message: MessageShape<O>,
): UnaryResponse<I, O> {
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      return new Headers();
    },
    get trailer() {
      return new Headers();
    },
  };
}

function parseError(body: Buffer): ConnectError {
  const { code, message, metadata } = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
  const text = typeof message === "string" ? message : "";
  return new ConnectError(text, codeOfName(code) ?? Code.Unknown, new Headers(metadata as HeadersInit));
}

/** A connection that could not be made, or broke, is `unavailable`. */
function asConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  const broken = reason instanceof Error && ("syscall" in reason || "code" in reason);
  return new ConnectError(
    reason instanceof Error ? reason.message : String(reason),
    broken ? Code.Unavailable : Code.Internal,
    undefined,
    undefined,
    reason,
  );
}

function entries(header: HeadersInit): [string, string][] {
  if (header instanceof Headers || Array.isArray(header)) return [...(header as Iterable<[string, string]>)];
  return Object.entries(header as Record<string, string>);
}
