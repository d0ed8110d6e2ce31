// The way to the ports of sandboxes: HTTP and WebSocket, streamed both ways at the pace of the slower side.
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TLSSocket } from "node:tls";
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { relayed } from "@wrenn/rpc/bulk";
import type { Logger } from "pino";
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import { AGENT_PORT } from "../hosts/guest-agent.ts";
import { GuestTransport } from "../hosts/guest-transport.ts";
import { requestIdOf } from "../http/request-id.ts";
import type { Activity } from "../services/activity.ts";
import type { Metrics } from "../services/metrics.ts";
import type { TrafficService } from "../services/traffic.ts";
import { addressOf } from "./address.ts";
import { isForClients } from "./agent-routes.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import { asHtml, type Destination, HiddenRoute, type Refusal, refusalOf } from "./refusal.ts";

/** Requests and WebSockets that may be under way at once; each holds two connections and their buffers. */
const MAX_OPEN = 4_096;

/** In `maskRequestHost`: the port that a request goes to. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: this is how clients write it.
const PORT_PLACEHOLDER = "${PORT}";

const TOKEN_HEADER = "e2b-traffic-access-token";

export interface ProxyOptions {
  traffic: TrafficService;
  hosts: HostDirectory;
  activity: Activity;
  metrics: Metrics;
  log: Logger;
  /** Told that a host knows better than the database what a sandbox is. */
  onStale: (hostId: string | null) => void;
}

interface Visit {
  request: IncomingMessage;
  requestId: string;
  destination: Destination;
}

export class SandboxProxy {
  readonly #options: ProxyOptions;
  readonly #transport = new GuestTransport();
  readonly #open = new Set<Duplex>();

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** Whether a request is for a sandbox and not for the API. */
  claims(request: IncomingMessage): boolean {
    return addressOf(request) !== undefined;
  }

  /** Answers a request that it claims. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const visit = this.#visit(request);
    const began = performance.now();
    response.setHeader(REQUEST_ID_HEADER, visit.requestId);
    response.once("close", () => this.#note(visit, response.statusCode, began));
    this.#forward(visit, request.socket, (outgoing) => this.#relay(visit, outgoing, response)).catch(
      (reason: unknown) => {
        // After the first byte the only honest answer is a broken connection.
        if (response.headersSent) response.destroy();
        else refuse(request, response, refusalOf(reason, visit.destination));
      },
    );
  }

  /** Answers a WebSocket handshake that it claims. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const visit = this.#visit(request);
    const began = performance.now();
    let status = 101;
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#note(visit, status, began));
    this.#forward(visit, socket, (outgoing) => switchOver(outgoing, socket, head)).catch(
      (reason: unknown) => {
        if (reason instanceof Broken) {
          socket.destroy();
          return;
        }
        const refusal = refusalOf(reason, visit.destination);
        status = refusal.status;
        refuseUpgrade(socket, refusal);
      },
    );
  }

  /** Breaks off what is under way. */
  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#transport.close();
  }

  #visit(request: IncomingMessage): Visit {
    const { sandboxId, port } = addressOf(request) ?? { sandboxId: "", port: undefined };
    return { request, requestId: requestIdOf(request), destination: { sandboxId, port } };
  }

  /** Admits a request and begins it upstream; `carry` takes it from there, until everything has been passed on. */
  async #forward(
    visit: Visit,
    client: Duplex,
    carry: (outgoing: ClientRequest) => Promise<void>,
  ): Promise<void> {
    if (this.#open.size >= MAX_OPEN) {
      throw new WrennError("unavailable", "too many requests are under way; try again", { retryAfterSec: 1 });
    }
    this.#open.add(client);
    try {
      const row = await this.#admit(visit);
      const { activity, onStale } = this.#options;
      activity.note(row.id);
      try {
        await carry(this.#begin(visit, row));
      } catch (reason) {
        if (!saysOtherwise(reason)) throw reason;
        onStale(row.host_id);
        throw new WrennError("not_found", `sandbox ${row.id} does not run`, { cause: reason });
      }
      activity.note(row.id);
    } finally {
      this.#open.delete(client);
    }
  }

  async #admit({ request, requestId, destination }: Visit): Promise<SandboxRow> {
    const { traffic } = this.#options;
    const { sandboxId, port } = destination;
    if (port === undefined) {
      throw new WrennError("invalid_argument", "the port of the sandbox must be from 1 to 65535");
    }
    const row = await traffic.running(sandboxId, requestId);
    if (port === AGENT_PORT) {
      if (!isForClients(request.url ?? "")) throw new HiddenRoute();
      return row;
    }
    const shown = request.headers[TOKEN_HEADER];
    traffic.assertToken(row, typeof shown === "string" ? shown : undefined);
    return row;
  }

  #begin({ request, requestId, destination }: Visit, row: SandboxRow): ClientRequest {
    const port = destination.port ?? AGENT_PORT;
    const upgrade = request.headers.upgrade;
    const masked = row.network?.maskRequestHost?.replaceAll(PORT_PLACEHOLDER, String(port));
    const headers = requestHeaders({
      rawHeaders: request.rawHeaders,
      host: masked,
      peer: request.socket.remoteAddress,
      proto: (request.socket as Partial<TLSSocket>).encrypted === true ? "https" : "http",
    });
    headers.push(REQUEST_ID_HEADER, requestId);
    if (upgrade !== undefined) headers.push("connection", "upgrade", "upgrade", upgrade);
    else if (request.headers["transfer-encoding"] !== undefined) headers.push("transfer-encoding", "chunked");
    return this.#transport.request({
      host: this.#options.hosts.get(row.host_id).client,
      sandboxId: row.id,
      port,
      requestId,
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers,
      reuse: port === AGENT_PORT && upgrade === undefined,
    });
  }

  /** Passes the body up and the answer down. Throws as long as no byte of an answer has been sent. */
  async #relay({ request }: Visit, outgoing: ClientRequest, response: ServerResponse): Promise<void> {
    const left = () => outgoing.destroy();
    response.once("close", left);
    const answered = answerOf(outgoing);
    // An answer may come before the body has been sent, or instead of it: it wins over the pipe's failure.
    const sent = pipeline(relayed(request), outgoing).catch((reason: unknown) => {
      if (!outgoing.destroyed) outgoing.destroy(reason as Error);
    });
    const answer = await answered;
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer.rawHeaders));
    response.flushHeaders();
    await pipeline(relayed(answer), response);
    response.off("close", left);
    if (request.complete) await sent;
    else outgoing.destroy();
  }

  #note({ request, requestId, destination }: Visit, status: number, began: number): void {
    const { metrics, log } = this.#options;
    const ms = performance.now() - began;
    const method = request.method ?? "GET";
    metrics.request({ route: "sandbox", method, status }, ms / 1000);
    const { sandboxId: sandbox_id, port } = destination;
    log.info(
      { req_id: requestId, method, sandbox_id, port, status, ms: Math.round(ms * 100) / 100 },
      "traffic",
    );
  }
}

/** Whether a host says that the row is out of date. */
function saysOtherwise(reason: unknown): boolean {
  return reason instanceof WrennError && (reason.code === "not_found" || reason.code === "invalid_state");
}

/** The connection broke when there was nothing left to say. */
class Broken extends Error {}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", reject);
  });
}

/** Passes the guest's answer to a handshake on, and then bytes both ways until both sides have ended. */
async function switchOver(outgoing: ClientRequest, socket: Duplex, head: Buffer): Promise<void> {
  const left = () => outgoing.destroy();
  socket.once("close", left);
  const { promise, resolve, reject } = Promise.withResolvers<
    [IncomingMessage, Duplex, Buffer] | IncomingMessage
  >();
  outgoing.once("upgrade", (answer, upstream: Duplex, first) => resolve([answer, upstream, first]));
  outgoing.once("response", resolve);
  outgoing.on("error", reject);
  outgoing.end();
  const answer = await promise;
  socket.off("close", left);
  try {
    if (!Array.isArray(answer)) {
      socket.write(headOf(answer, ["connection", "close"]));
      await pipeline(relayed(answer), socket);
      return;
    }
    const [switched, upstream, first] = answer;
    socket.write(headOf(switched, ["connection", "upgrade", "upgrade", switched.headers.upgrade ?? ""]));
    if (first.length > 0) socket.write(first);
    if (head.length > 0) upstream.write(head);
    await carryBoth(socket, upstream);
  } catch (cause) {
    throw new Broken("the connection broke", { cause });
  }
}

async function carryBoth(a: Duplex, b: Duplex): Promise<void> {
  // Two pipelines over the same two streams listen to the same events several times.
  a.setMaxListeners(32);
  b.setMaxListeners(32);
  try {
    await Promise.all([pipeline(relayed(a), b), pipeline(relayed(b), a)]);
  } finally {
    a.destroy();
    b.destroy();
  }
}

/** A head of an answer as bytes. Node has taken its framing off, so a body ends with the connection. */
function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage, own: string[]): string {
  const headers = [...responseHeaders(rawHeaders), ...own];
  let text = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}\r\n`;
}

function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const html = request.headers.accept?.includes("text/html") === true;
  const type = html ? "text/html; charset=utf-8" : "application/json; charset=utf-8";
  const body = html ? asHtml(refusal) : JSON.stringify(refusal.body);
  response.writeHead(refusal.status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function refuseUpgrade(socket: Duplex, { status, body }: Refusal): void {
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}
