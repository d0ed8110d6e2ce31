// Sandboxes: making them, moving them through their life, running commands in them.
import type {
  CreateSandboxRequest,
  ExecRequest,
  ExecResponse,
  ExecTicket,
  ForkRequest,
  ListSandboxesQuery,
  RestoreRequest,
  ResumeRequest,
  Sandbox,
  SandboxPort,
} from "@wrenn/api";
import { collectExec } from "./exec-collect.ts";
import { type ExecStream, type ExecStreamRequest, startExecStream } from "./exec-stream.ts";
import { type ListOptions, pages } from "./pages.ts";
import type { CallOptions, Transport, WriteOptions } from "./transport.ts";

/** The longest plain exec, in seconds: below the 5 minutes for which HTTP clients wait for an answer. */
const PLAIN_EXEC_SEC = 240;

/** What a list can be narrowed down to; labels as `"metadata.<key>": value`. */
export type SandboxFilter = Omit<ListSandboxesQuery, "limit" | "next_token">;

export class Sandboxes {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Makes a sandbox. Resolves when it runs.
   *
   *     const sandbox = await client.sandboxes.create({ template: "minimal", memory_mb: 1024 });
   */
  create(request: CreateSandboxRequest = {}, options: WriteOptions = {}): Promise<Sandbox> {
    return this.#transport.json({ method: "POST", path: "/v1/sandboxes", json: request, ...options });
  }

  /**
   * Your sandboxes, newest first, page by page.
   *
   *     for await (const { id } of client.sandboxes.list({ status: "running" })) console.log(id);
   */
  list(filter: SandboxFilter = {}, options: ListOptions = {}): AsyncGenerator<Sandbox, void, undefined> {
    return pages(this.#transport, "/v1/sandboxes", filter, options);
  }

  /** One sandbox. A deleted one has the status `stopped` for 24 hours, then it is `not_found`. */
  get(id: string, options: CallOptions = {}): Promise<Sandbox> {
    return this.#transport.json({ method: "GET", path: pathOf(id), ...options });
  }

  /** Deletes a sandbox, whatever its status. May be repeated. */
  delete(id: string, options: CallOptions = {}): Promise<void> {
    return this.#transport.empty({ method: "DELETE", path: pathOf(id), ...options });
  }

  /** Where a TCP port of the sandbox is reached from outside, by HTTP and WebSocket. */
  port(id: string, port: number, options: CallOptions = {}): Promise<SandboxPort> {
    return this.#transport.json({ method: "GET", path: `${pathOf(id)}/ports/${port}`, ...options });
  }

  /** Restarts the inactivity clock. */
  ping(id: string, options: CallOptions = {}): Promise<void> {
    return this.#transport.empty({ method: "POST", path: `${pathOf(id)}/ping`, ...options });
  }

  /** Saves the sandbox to disk, with processes and memory, and frees what it held of the host. */
  pause(id: string, options: WriteOptions = {}): Promise<Sandbox> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/pause`, ...options });
  }

  /**
   * Continues a paused sandbox where it was; its `host_ip` may be another one. With `{ start: "cold" }` it boots from
   * the saved disk instead: the way out when the host cannot continue the saved memory (`snapshot_incompatible`)
   * or it is not what was saved (`snapshot_damaged`). One that ended without being asked to has its disk for 24 hours too,
   * until it is deleted.
   */
  resume(id: string, request: ResumeRequest = {}, options: WriteOptions = {}): Promise<Sandbox> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/resume`, json: request, ...options });
  }

  /**
   * Copies a running sandbox `count` times, all or none. The source goes on running.
   *
   *     const [left, right] = await client.sandboxes.fork(id, { count: 2 });
   */
  fork(id: string, request: ForkRequest = {}, options: WriteOptions = {}): Promise<Sandbox[]> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/fork`, json: request, ...options });
  }

  /** Rolls a running or paused sandbox back to a snapshot or base template, in place. It runs afterwards. */
  restore(id: string, request: RestoreRequest, options: WriteOptions = {}): Promise<Sandbox> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/restore`, json: request, ...options });
  }

  /**
   * Runs a command and waits for it (30 seconds unless `timeout_sec` says otherwise). A command that
   * fails or times out is a result, not an error; one that cannot be found is a {@link WrennApiError}
   * with the code `command_not_found`.
   *
   *     const { stdout, exit_code } = await client.sandboxes.exec(id, { cmd: "uname", args: ["-r"] });
   */
  async exec(id: string, request: ExecRequest, options: WriteOptions = {}): Promise<ExecResponse> {
    const isLong = (request.timeout_sec ?? 0) > PLAIN_EXEC_SEC;
    if (isLong && options.idempotencyKey === undefined) {
      const { stdin: _, ...command } = request;
      return collectExec(id, request, await this.execStream(id, command, options));
    }
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/exec`, json: request, ...options });
  }

  /**
   * Runs a command and streams it: see {@link ExecStream}. Resolves when the command has started.
   * Aborting the signal stops the command, also later.
   */
  execStream(id: string, request: ExecStreamRequest, options: CallOptions = {}): Promise<ExecStream> {
    return startExecStream(
      {
        transport: this.#transport,
        path: `${pathOf(id)}/exec/stream`,
        signal: options.signal,
        ticket: async () => (await this.execTicket(id, options)).ticket,
      },
      request,
    );
  }

  /** A ticket that lets a browser open one exec stream within 30 seconds, as `?ticket=`. */
  execTicket(id: string, options: CallOptions = {}): Promise<ExecTicket> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/exec/ticket`, ...options });
  }
}

function pathOf(id: string): string {
  return `/v1/sandboxes/${encodeURIComponent(id)}`;
}
