// A running command: its output as it comes, its input, its end.
import type { ExecClientMessage, ExecServerMessage, Signal } from "@wrenn/api";
import { fromBase64, toBase64 } from "./base64.ts";
import { WrennApiError, WrennConnectionError } from "./error.ts";
import { EventQueue } from "./event-queue.ts";
import { type OpenSocket, openSocket, type Socket } from "./socket.ts";

/** A piece of output, in the order in which the command wrote it. */
export interface ExecOutput {
  type: "stdout" | "stderr";
  data: Uint8Array;
}

/** How a command ended. */
export interface ExecExit {
  /** Null when a signal or the time-out killed it. */
  exitCode: number | null;
  /** The signal that killed it, such as `SIGKILL`. */
  signal?: string;
  /** True when the time-out killed it. */
  timedOut?: boolean;
}

type StartMessage = Extract<ExecClientMessage, { type: "start" }>;
/** The command of a stream: `cmd`, and `args`, `cwd`, `envs`, `user`, `timeout_sec`, `pty` as needed. */
export type ExecStreamRequest = Omit<StartMessage, "type">;

/** Unread output, in bytes, above which the command is slowed down, and below which it goes on. */
const HIGH_WATER = 256 * 1024;
const LOW_WATER = 64 * 1024;
/** Bytes of standard input in one frame. */
const STDIN_CHUNK = 32 * 1024;

/**
 * A command that runs in a sandbox. Iterate it for its output; a slow reader slows the command down.
 * Get its end from `wait()`, which discards the output if nobody iterates.
 *
 *     const stream = await client.sandboxes.execStream(id, { cmd: "make", args: ["-j2"] });
 *     for await (const { type, data } of stream) process[type].write(data);
 *     const { exitCode } = await stream.wait();
 */
export class ExecStream implements AsyncIterable<ExecOutput>, AsyncDisposable {
  /** Process id in the guest. */
  readonly pid: number;
  readonly #socket: Socket;
  readonly #queue: EventQueue<ExecOutput>;
  readonly #ended: Promise<ExecExit>;
  #isOver = false;
  #isRead = false;

  /** @internal Made by {@link startExecStream}. */
  constructor(pid: number, socket: Socket, queue: EventQueue<ExecOutput>, ended: Promise<ExecExit>) {
    this.pid = pid;
    this.#socket = socket;
    this.#queue = queue;
    this.#ended = ended;
    const over = () => {
      this.#isOver = true;
    };
    ended.then(over, over);
  }

  /** The output to its end. Throws {@link WrennConnectionError} when the connection breaks before. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ExecOutput, void, undefined> {
    if (this.#isRead) throw new TypeError("output can be read once, and not after wait() has discarded it");
    this.#isRead = true;
    try {
      for (let event = await this.#queue.next(); event; event = await this.#queue.next()) yield event;
    } finally {
      this.#queue.discard(); // a reader that leaves early does not hold the command up
    }
  }

  /**
   * How the command ended. Rejects when that is unknown: with {@link WrennConnectionError} when the
   * connection broke, with {@link WrennApiError} when the service lost the guest.
   */
  wait(): Promise<ExecExit> {
    if (!this.#isRead) this.#queue.discard();
    this.#isRead = true;
    return this.#ended;
  }

  /** Writes to standard input. Wait for it before writing more: that is the back-pressure. */
  async writeStdin(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let offset = 0; offset < bytes.length; offset += STDIN_CHUNK) {
      await this.#send({ type: "stdin", data: toBase64(bytes.subarray(offset, offset + STDIN_CHUNK)) });
    }
  }

  /** Ends standard input. */
  closeStdin(): Promise<void> {
    return this.#send({ type: "stdin_close" });
  }

  /** Sends a signal to the command. */
  signal(signal: Signal): Promise<void> {
    return this.#send({ type: "signal", signal });
  }

  /** Tells the command's terminal its new size. */
  resize(size: { cols: number; rows: number }): Promise<void> {
    return this.#send({ type: "resize", ...size });
  }

  /** Kills the command and everything in its process group. `wait()` then says how it ended. */
  stop(): Promise<void> {
    return this.#send({ type: "stop" });
  }

  /** Stops the command if it still runs, and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) await this.stop().catch(ignoreClosed);
    this.#socket.close();
    await this.wait().catch(() => undefined); // whoever cares has called wait()
  }

  async #send(message: ExecClientMessage): Promise<void> {
    if (this.#isOver) throw new WrennConnectionError("the command has ended");
    await this.#socket.send(JSON.stringify(message));
  }
}

/** Opens the stream and starts the command. Rejects when it cannot be started. */
export async function startExecStream(
  options: Omit<OpenSocket, "listener">,
  request: ExecStreamRequest,
): Promise<ExecStream> {
  const started = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<ExecExit>();
  for (const { promise } of [started, ended]) promise.catch(() => undefined); // nobody has to wait for them
  const queue = new EventQueue<ExecOutput>({
    high: HIGH_WATER,
    low: LOW_WATER,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  });
  const fail = (error: unknown) => {
    started.reject(error);
    ended.reject(error);
    queue.end(error);
  };
  const finish = (exit: ExecExit) => {
    started.reject(new WrennConnectionError("the command ended without having been started"));
    ended.resolve(exit);
    queue.end();
    socket.close();
  };
  const listener = {
    message: (text: string) => {
      try {
        receive(JSON.parse(text), { started: started.resolve, queue, finish, fail });
      } catch (cause) {
        fail(new WrennConnectionError("the service sent something that is no message", { cause }));
        socket.terminate();
      }
    },
    closed: (cause?: unknown) =>
      fail(new WrennConnectionError("the connection broke before the command's end was known", { cause })),
  };
  const socket = await openSocket({ ...options, listener });
  const abort = () => {
    fail(options.signal?.reason);
    socket.send(JSON.stringify({ type: "stop" } satisfies ExecClientMessage)).catch(ignoreClosed);
    socket.close();
  };
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  const forget = () => options.signal?.removeEventListener("abort", abort);
  ended.promise.then(forget, forget);
  await socket.send(JSON.stringify({ type: "start", ...request } satisfies ExecClientMessage));
  try {
    return new ExecStream(await started.promise, socket, queue, ended.promise);
  } catch (error) {
    socket.close();
    throw error;
  }
}

interface Receiver {
  started(pid: number): void;
  queue: EventQueue<ExecOutput>;
  finish(exit: ExecExit): void;
  fail(error: unknown): void;
}

function receive(message: ExecServerMessage, { started, queue, finish, fail }: Receiver): void {
  switch (message.type) {
    case "start":
      started(message.pid);
      break;
    case "stdout":
    case "stderr": {
      const { type, encoding } = message;
      const data = encoding === "base64" ? fromBase64(message.data) : new TextEncoder().encode(message.data);
      queue.push({ type, data }, data.length);
      break;
    }
    case "exit":
      finish({
        exitCode: message.exit_code,
        ...(message.signal !== undefined && { signal: message.signal }),
        ...(message.timed_out !== undefined && { timedOut: message.timed_out }),
      });
      break;
    case "error": {
      const { code = "unknown", field } = message;
      fail(new WrennApiError({ status: undefined, code, message: message.data, field }));
    }
  }
}

/** The other side may be gone already when it is told to stop. */
function ignoreClosed(error: unknown): void {
  if (!(error instanceof WrennConnectionError)) throw error;
}
