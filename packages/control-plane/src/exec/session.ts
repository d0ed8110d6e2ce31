// One exec stream: a WebSocket on one side, the host's RPC stream on the other.
import type { ExecServerMessage, StreamStart } from "@wrenn/api";
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { ExecStreamResponse, ExecStreamResponse_End } from "@wrenn/rpc/hostagent";
import type { RawData, WebSocket } from "ws";
import { fromRpc } from "../hosts/errors.ts";
import type { HostClient } from "../hosts/host-client.ts";
import { parseClientMessage } from "./client-message.ts";
import { FrameSender } from "./frame-sender.ts";
import { type HostInput, ProcessInput } from "./process-input.ts";
import { Utf8Stream } from "./utf8.ts";

/** Keeps middleboxes from forgetting an idle stream, and finds clients that have vanished. */
const PING_MS = 30_000;

/** For the client's half of the close handshake. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Why a WebSocket closes (RFC 6455, section 7.4.1). */
const CLOSE = { normal: 1000, goingAway: 1001, policy: 1008, internal: 1011 } as const;

export interface SessionOptions {
  ws: WebSocket;
  host: HostClient;
  sandboxId: string;
  requestId: string;
  stallMs: number;
  /** The stream is in use: at its start, with every ping, at its end. */
  onActivity: () => void;
  /** The stream failed, other than through the client. */
  onFailure: (error: WrennError) => void;
}

/**
 * Runs until the command has ended, the client has left or something failed. The client's leaving ends the
 * RPC, which kills the command. Every ending but a lost client is said in a last frame.
 */
export class ExecSession {
  readonly #options: SessionOptions;
  readonly #sender: FrameSender;
  readonly #input: ProcessInput;
  readonly #ended = new AbortController();
  readonly #finished = Promise.withResolvers<void>();
  #first: PromiseWithResolvers<StreamStart> | undefined = Promise.withResolvers<StreamStart>();
  #pid: number | undefined;
  #answered = true;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { ws, stallMs } = options;
    this.#sender = new FrameSender(ws, { stallMs });
    this.#input = new ProcessInput({
      pause: () => ws.pause(),
      resume: () => ws.resume(),
      send: (input) => this.#send(input),
      onError: (reason) => this.#failInput(reason),
    });
  }

  async run(): Promise<void> {
    const { ws, stallMs, onActivity, onFailure } = this.#options;
    ws.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    ws.on("pong", () => {
      this.#answered = true;
    });
    // A broken frame or connection; `close` follows.
    ws.on("error", () => undefined);
    ws.once("close", () => this.#ended.abort());
    const pings = setInterval(() => this.#ping(), PING_MS);
    const firstIsLate = setTimeout(() => this.#abort(late("no start message came", stallMs)), stallMs);
    try {
      onActivity();
      const start = await this.#untilEnded((this.#first as PromiseWithResolvers<StreamStart>).promise);
      clearTimeout(firstIsLate);
      await this.#relay(start);
      await this.#close(CLOSE.normal);
    } catch (reason) {
      await this.#fail(reason, onFailure);
    } finally {
      clearInterval(pings);
      clearTimeout(firstIsLate);
      this.#ended.abort();
      onActivity();
      this.#finished.resolve();
    }
  }

  /** Ends the stream because this server stops. Resolves when it has ended. */
  async shutDown(): Promise<void> {
    this.#abort(new WrennError("unavailable", "the server is shutting down; the command was killed"));
    await this.#finished.promise;
  }

  /** The host's events as frames, until the last one. Reads no event before the one before it found room. */
  async #relay(start: StreamStart): Promise<void> {
    const { host, sandboxId, requestId } = this.#options;
    const stdout = new Utf8Stream();
    const stderr = new Utf8Stream();
    try {
      const events = host.rpc.execStream(
        {
          sandboxId,
          cmd: start.cmd,
          args: start.args ?? [],
          timeoutSec: start.timeout_sec ?? 0,
          cwd: start.cwd ?? "",
          envs: start.envs ?? {},
          user: start.user ?? "",
          stdin: true,
          ...(start.pty && { pty: start.pty }),
        },
        { signal: this.#ended.signal, headers: { [REQUEST_ID_HEADER]: requestId } },
      );
      for await (const { event } of events) {
        if (event.case === "end") {
          await this.#output("stdout", stdout.end());
          await this.#output("stderr", stderr.end());
          await this.#sender.send(exitFrame(event.value));
          return;
        }
        await this.#onEvent(event, { stdout, stderr });
      }
    } catch (reason) {
      if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
      throw fromRpc(reason, `running ${start.cmd} in sandbox ${sandboxId}`);
    }
    throw new WrennError(
      "guest_unreachable",
      "the stream broke off before the command's end; how it ended is unknown",
    );
  }

  async #onEvent(
    event: ExecStreamResponse["event"],
    decoders: Record<"stdout" | "stderr", Utf8Stream>,
  ): Promise<void> {
    if (event.case === "start") {
      this.#pid = event.value.pid;
      await this.#sender.send({ type: "start", pid: event.value.pid } satisfies ExecServerMessage);
      this.#input.start();
    } else if (event.case === "data" && event.value.output.case !== undefined) {
      const { case: name, value } = event.value.output;
      await this.#output(name, decoders[name].push(value));
    }
  }

  async #output(type: "stdout" | "stderr", piece: ReturnType<Utf8Stream["push"]>): Promise<void> {
    if (piece) await this.#sender.send({ type, ...piece } satisfies ExecServerMessage);
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    try {
      const message = parseClientMessage(data, isBinary);
      if (message.type === "start") this.#begin(message);
      else if (this.#first)
        throw new WrennError("invalid_argument", "the first message must be start", { field: "type" });
      else this.#input.push(message);
    } catch (reason) {
      this.#abort(WrennError.from(reason));
    }
  }

  #begin(start: StreamStart): void {
    if (!this.#first)
      throw new WrennError("invalid_argument", "the command was started already", { field: "type" });
    this.#first.resolve(start);
    this.#first = undefined;
  }

  async #send(input: HostInput): Promise<void> {
    const { host, sandboxId, requestId } = this.#options;
    await host.rpc.sendExecInput(
      { sandboxId, pid: this.#pid ?? 0, input },
      { signal: this.#ended.signal, headers: { [REQUEST_ID_HEADER]: requestId } },
    );
  }

  /** Input for a process that has just ended is no failure: its exit is on its way. */
  #failInput(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    const error = fromRpc(reason, "sending input to the command");
    if (error.code !== "not_found" && error.code !== "invalid_state") this.#abort(error);
  }

  #ping(): void {
    const { ws, onActivity } = this.#options;
    // Behind output that waits for the reader, a pong says nothing; the sender's stall does.
    if (!this.#answered && this.#sender.pending === 0 && !ws.isPaused) {
      ws.terminate();
      return;
    }
    this.#answered = false;
    ws.ping();
    onActivity();
  }

  /** Ends the RPC with a reason, which `run` says to the client. */
  #abort(error: WrennError): void {
    this.#ended.abort(error);
  }

  async #untilEnded<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.#ended;
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    try {
      signal.throwIfAborted();
      return await Promise.race([promise, ended]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #fail(reason: unknown, onFailure: (error: WrennError) => void): Promise<void> {
    const { ws } = this.#options;
    if (ws.readyState !== ws.OPEN) return;
    const error = WrennError.from(reason, "the stream failed");
    if (error.httpStatus >= 500) onFailure(error);
    if (this.#sender.stalled) return ws.terminate();
    const { message: data, code, field } = error;
    try {
      await this.#sender.send({ type: "error", data, code, ...(field !== undefined && { field }) });
      await this.#close(closeCode(error));
    } catch {
      // A reader that stands still gets no last word.
      ws.terminate();
    }
  }

  async #close(code: number): Promise<void> {
    const { ws } = this.#options;
    if (ws.readyState === ws.CLOSED) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    ws.once("close", () => resolve());
    ws.resume();
    ws.close(code);
    const timer = setTimeout(() => ws.terminate(), CLOSE_TIMEOUT_MS);
    await promise;
    clearTimeout(timer);
  }
}

function exitFrame({ exitCode, signal, timedOut, error }: ExecStreamResponse_End): ExecServerMessage {
  if (error !== "") return { type: "error", data: error, code: "guest_unreachable" };
  if (timedOut) return { type: "exit", exit_code: null, timed_out: true };
  if (signal !== "") return { type: "exit", exit_code: null, signal };
  return { type: "exit", exit_code: exitCode };
}

function late(what: string, ms: number): WrennError {
  return new WrennError("deadline_exceeded", `${what} within ${ms} ms`);
}

function closeCode(error: WrennError): number {
  if (error.httpStatus < 500) return CLOSE.policy;
  return error.code === "unavailable" ? CLOSE.goingAway : CLOSE.internal;
}
