// All exec streams of this process: the upgrade, the bound on their number, the end.
import type { Duplex } from "node:stream";
import { LIMITS, WrennError } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Activity } from "../services/activity.ts";
import type { Caller } from "../services/caller.ts";
import { isStale } from "../services/recent-sandboxes.ts";
import { ExecSession } from "./session.ts";
import { upgradeOf } from "./upgrade.ts";

/** Each stream may hold about a MiB and three connections. */
const MAX_STREAMS = 1_000;

/** Above the bound on a message, so that one that is too long gets an error frame and not just a closed socket. */
const MAX_FRAME_BYTES = 2 * LIMITS.jsonBodyBytes;

export interface StreamsOptions {
  hosts: HostDirectory;
  activity: Activity;
  log: Logger;
  stallMs: number;
  /** Told that a host knows better than the database what a sandbox is. */
  onStale: (hostId: string | null) => void;
  onCount: (open: number) => void;
}

export class ExecStreams {
  readonly #options: StreamsOptions;
  readonly #sessions = new Set<ExecSession>();
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });

  constructor(options: StreamsOptions) {
    this.#options = options;
    // Answered as every other bad request, not with the library's plain text.
    this.#server.on("wsClientError", (error, socket) => refuseHandshake(socket, error.message));
  }

  /** Turns a request that has passed all checks into a stream. Throws while there is still an answer to give. */
  accept({
    caller,
    sandbox,
    request,
    reply,
  }: {
    caller: Caller;
    sandbox: SandboxRow;
    request: FastifyRequest;
    reply: FastifyReply;
  }): void {
    const upgrade = upgradeOf(request.raw);
    if (!upgrade)
      throw new WrennError(
        "invalid_argument",
        "this is a WebSocket: send Connection: Upgrade and Upgrade: websocket",
      );
    if (this.#sessions.size >= MAX_STREAMS) {
      throw new WrennError("unavailable", "too many streams are open; close one or try again", {
        retryAfterSec: 5,
      });
    }
    const { client } = this.#options.hosts.get(sandbox.host_id);
    reply.hijack();
    upgrade.release();
    this.#server.handleUpgrade(request.raw, upgrade.socket, upgrade.head, (ws) => {
      this.#run(ws, { caller, sandbox, client });
    });
  }

  /** Ends all streams with an error frame. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.shutDown()));
    this.#server.close();
  }

  #run(
    ws: WebSocket,
    {
      caller,
      sandbox,
      client,
    }: { caller: Caller; sandbox: SandboxRow; client: ReturnType<HostDirectory["get"]>["client"] },
  ): void {
    const { activity, log, stallMs, onStale, onCount } = this.#options;
    const session = new ExecSession({
      ws,
      host: client,
      sandboxId: sandbox.id,
      requestId: caller.requestId,
      stallMs,
      onActivity: () => activity.note(sandbox.id),
      onFailure: (error) => {
        log.warn({ req_id: caller.requestId, sandbox_id: sandbox.id, err: error }, "an exec stream failed");
        if (isStale(error)) onStale(sandbox.host_id);
      },
    });
    this.#sessions.add(session);
    onCount(this.#sessions.size);
    session
      .run()
      .catch((reason: unknown) => {
        log.error({ req_id: caller.requestId, sandbox_id: sandbox.id, err: reason }, "an exec stream broke");
        ws.terminate();
      })
      .finally(() => {
        this.#sessions.delete(session);
        onCount(this.#sessions.size);
      });
  }
}

function refuseHandshake(socket: Duplex, message: string): void {
  const body = JSON.stringify({ error: { code: "invalid_argument", message } });
  const head = [
    "HTTP/1.1 400 Bad Request",
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
