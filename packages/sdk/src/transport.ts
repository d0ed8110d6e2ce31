// One HTTP request to the service: headers, query, errors, and safe repetition.
import { errorOfResponse, WrennApiError, WrennConnectionError } from "./error.ts";

export interface TransportOptions {
  url: string;
  apiKey?: string | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  requestId?: (() => string) | undefined;
  retries?: number | undefined;
}

/** What every call takes beside its own arguments. */
export interface CallOptions {
  /** Gives up the call. The service finishes what it has begun. */
  signal?: AbortSignal | undefined;
}

/** For calls that change something. */
export interface WriteOptions extends CallOptions {
  /**
   * Any string of your own. Repeating a call with the same key within 24 hours gives the first answer
   * and does nothing anew; with a key, the client repeats the call itself after a broken connection.
   */
  idempotencyKey?: string | undefined;
}

export interface RequestSpec extends WriteOptions {
  method: "GET" | "POST" | "DELETE";
  path: string;
  query?: object | undefined;
  /** Sent as JSON. */
  json?: object | undefined;
  /** Sent as it is; streams are sent chunked. */
  body?: { contentType: string; content: BodyInit } | undefined;
}

/** First pause before a repetition, in ms; doubles each time. */
const RETRY_MS = 100;
/** The longest `Retry-After` that is waited for, in seconds. */
const RETRY_AFTER_MAX_SEC = 10;

export class Transport {
  readonly url: string;
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.url = options.url.replace(/\/+$/, "");
    if (!URL.canParse(this.url)) throw new TypeError(`not a URL: ${JSON.stringify(options.url)}`);
    this.#options = options;
  }

  /** Headers that identify the caller and the request. */
  headers(): Record<string, string> {
    const { apiKey, requestId = () => crypto.randomUUID() } = this.#options;
    return { ...(apiKey !== undefined && { "x-api-key": apiKey }), "x-request-id": requestId() };
  }

  /** The answer, if it is a success. A deletion that is repeated and finds nothing is one. */
  async request(spec: RequestSpec): Promise<Response> {
    const retries = mayRepeat(spec) ? (this.#options.retries ?? 2) : 0;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once(spec);
      } catch (error) {
        // An earlier attempt did it, and its answer was lost.
        if (attempt > 0 && spec.method === "DELETE" && error instanceof WrennApiError && error.status === 404)
          return new Response(null, { status: 204 });
        const delay = attempt < retries ? retryDelay(error, attempt) : undefined;
        if (delay === undefined) throw error;
        await pause(delay, spec.signal);
      }
    }
  }

  /** The answer's JSON. */
  async json<T>(spec: RequestSpec): Promise<T> {
    const response = await this.request(spec);
    return (await readBody(response, () => response.json(), spec.signal)) as T;
  }

  /** For answers without content. */
  async empty(spec: RequestSpec): Promise<void> {
    await (await this.request(spec)).body?.cancel();
  }

  async #once(spec: RequestSpec): Promise<Response> {
    const { fetch = globalThis.fetch } = this.#options;
    const response = await fetch(this.url + spec.path + queryString(spec.query), this.#init(spec)).catch(
      (cause: unknown) => {
        throw connectionError(`${spec.method} ${this.url}${spec.path} failed`, cause, spec.signal);
      },
    );
    if (response.ok) return response;
    const text = await readBody(response, () => response.text(), spec.signal);
    throw errorOfResponse(
      { status: response.status, header: (name) => response.headers.get(name) ?? undefined },
      text,
    );
  }

  #init(spec: RequestSpec): RequestInit & { duplex?: "half" } {
    const contentType = spec.json === undefined ? spec.body?.contentType : "application/json";
    const body = spec.json === undefined ? spec.body?.content : JSON.stringify(spec.json);
    return {
      method: spec.method,
      headers: {
        ...this.headers(),
        ...(contentType !== undefined && { "content-type": contentType }),
        ...(spec.idempotencyKey !== undefined && { "idempotency-key": spec.idempotencyKey }),
      },
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: "half" as const }),
      ...(spec.signal && { signal: spec.signal }),
    };
  }
}

/** `reason` of an abort as it is; anything else as a broken connection. */
export function connectionError(what: string, cause: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const detail = inner instanceof Error ? inner.message || (inner as { code?: string }).code : String(inner);
  return new WrennConnectionError(`${what}: ${detail}`, { cause });
}

/** Waits; gives up with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

async function readBody<T>(
  response: Response,
  read: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return read().catch((cause: unknown) => {
    throw connectionError(`reading the answer of ${response.url} failed`, cause, signal);
  });
}

function mayRepeat({ method, idempotencyKey, body }: RequestSpec): boolean {
  if (body?.content instanceof ReadableStream) return false;
  return method !== "POST" || idempotencyKey !== undefined;
}

function retryDelay(error: unknown, attempt: number): number | undefined {
  if (error instanceof WrennConnectionError) return RETRY_MS * 2 ** attempt;
  if (!(error instanceof WrennApiError) || error.status !== 503) return undefined;
  if (error.retryAfterSec === undefined) return RETRY_MS * 2 ** attempt;
  return error.retryAfterSec <= RETRY_AFTER_MAX_SEC ? error.retryAfterSec * 1000 : undefined;
}

function queryString(query: object | undefined): string {
  const entries = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return "";
  return `?${new URLSearchParams(entries.map(([key, value]) => [key, String(value)]))}`;
}
