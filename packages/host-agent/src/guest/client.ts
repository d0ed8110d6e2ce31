// One sandbox's guest agent as the host agent sees it: its RPCs, its files, its init.
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { isErrorCode, WrennError } from "@wrenn/core";
import { ENVD_PORT } from "@wrenn/envd";
import { relayed } from "@wrenn/rpc/bulk";
import { Process } from "@wrenn/rpc/envd";
import { dialGuest } from "./dial.ts";
import { guestError } from "./errors.ts";
import { type GuestMetrics, parseMetrics } from "./metrics.ts";
import { putFile, smallContent } from "./upload.ts";

/** What a guest is told before its sandbox counts as running. */
export interface GuestInit {
  accessToken: string;
  /** Replaces the guest's; absent = it stays. */
  envVars?: Record<string, string>;
  hostname: string;
  /** 32 hex digits. */
  machineId?: string;
  /** Base64. */
  entropy?: string;
  /** Closes all other connections of the agent: those that were open when its memory was saved. */
  dropConnections?: boolean;
}

/** What the guest read back after its init. */
export interface GuestIdentity {
  hostname: string;
  machineId: string;
  /** Its clock, `ms` since the epoch. */
  timeMs: number;
  /** Whether its kernel's generator was reseeded. */
  reseeded: boolean;
}

export interface GuestFile {
  body: Readable;
  /** `bytes`, when the guest knows it beforehand. */
  contentLength: number | undefined;
}

/** Longest wait for an answer's head where the guest has nothing to compute, `ms`. TCG guests under load are slow. */
const HEAD_TIMEOUT_MS = 60_000;
/** One attempt to reach a guest that may not be up yet, `ms`: short, because a lost SYN is only repeated after 1 s. */
const PROBE_TIMEOUT_MS = 250;
/** Pause between such attempts, `ms`. A refused connection costs next to nothing. */
const PROBE_INTERVAL_MS = 5;

/**
 * Connections are pooled per client and die with it: a connection that was open when a guest was frozen must never be
 * used again, so each start of a guest gets a client of its own.
 */
export class GuestClient {
  readonly process: Client<typeof Process>;
  readonly #agent: Agent;
  readonly #host: string;
  readonly #port: number;
  readonly #token: string;

  constructor(options: { host: string; token: string; port?: number }) {
    this.#host = options.host;
    this.#port = options.port ?? ENVD_PORT;
    this.#token = options.token;
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });
    const authorise: Interceptor = (next) => (call) => {
      call.header.set("x-access-token", this.#token);
      return next(call);
    };
    const transport = createConnectTransport({
      httpVersion: "1.1",
      baseUrl: `http://${this.#host}:${this.#port}`,
      useBinaryFormat: true,
      // Compressing costs the guest more than the bytes cost, and hides how much is on its way.
      acceptCompression: [],
      nodeOptions: { agent: this.#agent },
      interceptors: [authorise],
    });
    this.process = createClient(Process, transport);
  }

  /** Waits until the agent answers its health check. Rejects with the signal's reason. */
  async waitUntilHealthy(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        const attempt = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
        const response = await this.#send({ method: "GET", path: "/health", signal: attempt });
        response.resume();
        if (response.statusCode === 204) return;
      } catch {
        // Not up yet; the deadline is the caller's signal.
      }
      await delay(PROBE_INTERVAL_MS, undefined, { signal });
    }
  }

  /** Waits until what the template runs by itself is up. Throws the guest's own error when that cannot be. */
  async settled(signal: AbortSignal): Promise<void> {
    const response = await this.#send({ method: "GET", path: "/settled", signal, headTimeoutMs: 0 });
    await expectSuccess(response, "wait for the template's programs");
    response.resume();
  }

  /**
   * Gives the guest the clock, and its token, names, randomness and environment as far as they are there; returns what it
   * has read back. `heldToken` is the one that a guest from saved memory knows.
   */
  async init(
    init: Partial<GuestInit>,
    { heldToken, signal }: { heldToken?: string; signal: AbortSignal },
  ): Promise<GuestIdentity> {
    const body = Buffer.from(JSON.stringify({ ...init, timestamp: new Date().toISOString() }));
    const response = await this.#send({
      method: "POST",
      path: "/init",
      headers: { "content-type": "application/json", "content-length": body.length },
      body,
      signal,
      ...(heldToken === undefined ? {} : { token: heldToken }),
    });
    await expectSuccess(response, "initialise the guest");
    return parseIdentity(await readSmall(response));
  }

  /**
   * Has the guest write out its file systems, just before its machine stands still; from here on no process of it ends
   * because its caller has gone. `end`: streams are ended, and connections of this client are of no use afterwards.
   */
  async quiesce(streams: "end" | "keep", signal: AbortSignal): Promise<void> {
    const body = Buffer.from(JSON.stringify({ streams }));
    const headers = { "content-type": "application/json", "content-length": body.length };
    const response = await this.#send({ method: "POST", path: "/quiesce", headers, body, signal });
    await expectSuccess(response, "quiesce the guest");
    response.resume();
  }

  /** The guest goes on after all: a caller that goes away is again the end of what it started. */
  async unquiesce(signal: AbortSignal): Promise<void> {
    const response = await this.#send({ method: "POST", path: "/unquiesce", signal });
    await expectSuccess(response, "let the guest go on");
    response.resume();
  }

  /** What the guest uses now. Throws `guest_unreachable` when it tells anything else. */
  async metrics(signal: AbortSignal): Promise<GuestMetrics> {
    const response = await this.#send({ method: "GET", path: "/metrics", signal });
    await expectSuccess(response, "measure the guest");
    return parseMetrics(await readSmall(response));
  }

  /** Streams a file out of the guest. Nothing is read ahead of the consumer beyond the socket's buffers. */
  async readFile(path: string, options: { requestId?: string; signal: AbortSignal }): Promise<GuestFile> {
    const response = await this.#send({
      method: "GET",
      path: `/files?${new URLSearchParams({ path })}`,
      headers: requestIdHeader(options.requestId),
      signal: options.signal,
    });
    await expectSuccess(response, `read ${path}`);
    const length = response.headers["content-length"];
    return { body: response, contentLength: length === undefined ? undefined : Number(length) };
  }

  /** Streams a file into the guest. The old file stays whole until the last byte has arrived. */
  async writeFile(
    path: string,
    content: Readable,
    options: { contentLength?: number; requestId?: string; signal: AbortSignal },
  ): Promise<void> {
    const { signal } = options;
    const small = await smallContent(content, signal).catch((reason: unknown) => {
      signal.throwIfAborted();
      throw guestError(reason, `write ${path}`);
    });
    const gateway = { host: this.#host, token: this.#token, signal };
    if (small === undefined && (await putFile(gateway, path, content))) return;
    const contentLength = small?.length ?? options.contentLength;
    const response = await this.#send({
      method: "POST",
      path: `/files?${new URLSearchParams({ path })}`,
      headers: {
        ...requestIdHeader(options.requestId),
        "content-type": "application/octet-stream",
        ...(contentLength === undefined ? {} : { "content-length": contentLength }),
      },
      body: small ?? content,
      signal,
    });
    await expectSuccess(response, `write ${path}`);
    response.resume();
  }

  /** A connection of its own to any port of the guest. Throws `guest_unreachable` when nothing listens there. */
  connect(port: number, signal: AbortSignal): Promise<Socket> {
    return dialGuest({ host: this.#host, port, token: this.#token, signal });
  }

  /** Drops every connection. Calls under way fail. */
  close(): void {
    this.#agent.destroy();
  }

  async #send(call: {
    method: string;
    path: string;
    headers?: OutgoingHttpHeaders;
    body?: Buffer | Readable;
    signal: AbortSignal;
    token?: string;
    /** 0 = as long as the signal lets it. */
    headTimeoutMs?: number;
  }): Promise<IncomingMessage> {
    const outgoing = request({
      agent: this.#agent,
      host: this.#host,
      port: this.#port,
      method: call.method,
      path: call.path,
      headers: { ...call.headers, "x-access-token": call.token ?? this.#token },
      signal: call.signal,
    });
    const answered = Promise.withResolvers<IncomingMessage>();
    outgoing.on("response", answered.resolve);
    outgoing.on("error", (cause) =>
      answered.reject(guestError(cause, `${call.method} ${call.path.split("?")[0]}`)),
    );
    if (call.body === undefined || Buffer.isBuffer(call.body)) {
      outgoing.setTimeout(call.headTimeoutMs ?? HEAD_TIMEOUT_MS, () =>
        outgoing.destroy(new Error("no answer from the guest agent")),
      );
      outgoing.end(call.body);
    } else {
      // An answer may come before the body has been sent (a refused write): it wins over the pipe's failure.
      pipeline(relayed(call.body), outgoing).catch((cause) => {
        outgoing.destroy();
        answered.reject(guestError(cause, `${call.method} ${call.path.split("?")[0]}`));
      });
    }
    const response = await answered.promise;
    outgoing.setTimeout(0);
    return response;
  }
}

function requestIdHeader(requestId: string | undefined): OutgoingHttpHeaders {
  return requestId === undefined ? {} : { "x-request-id": requestId };
}

/** Throws the error that the guest agent's JSON body describes unless the status is 2xx. */
async function expectSuccess(response: IncomingMessage, attempted: string): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  let body: { message?: string; error_code?: string } = {};
  try {
    body = JSON.parse(await readSmall(response));
  } catch {
    // Whatever it was, it was not our agent's error format; the status speaks for itself.
  }
  const named = body.error_code ?? "";
  const code = isErrorCode(named) ? named : status === 404 ? "not_found" : "internal";
  throw new WrennError(code, body.message ?? `could not ${attempted}: the guest agent answered ${status}`);
}

/** Longest answer that is read whole, `bytes`; the rest of a longer one is left. */
const SMALL_BODY_BYTES = 64 * 1024;

async function readSmall(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > SMALL_BODY_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The guest is not trusted: what is missing or of another type counts as not confirmed. */
function parseIdentity(text: string): GuestIdentity {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const given = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const string = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    hostname: string(given["hostname"]),
    machineId: string(given["machineId"]),
    timeMs: typeof given["timeMs"] === "number" ? given["timeMs"] : Number.NaN,
    reseeded: given["reseeded"] === true,
  };
}
