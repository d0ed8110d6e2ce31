// QMP, QEMU's control protocol: one JSON object a line over a Unix socket.
// Source: https://www.qemu.org/docs/master/interop/qmp-spec.html
import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { connectUnix } from "@wrenn/linux";

interface Pending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** The longest answer that is used, a list of block nodes, has a few thousand. */
const MAX_MESSAGE_CHARACTERS = 1024 * 1024;

/** One connection to one QEMU. QEMU serves a single client at a time. Emits `event` for asynchronous messages. */
export class QmpClient extends EventEmitter<{
  event: [name: string, data: Record<string, unknown>];
  close: [];
}> {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #unfinished = "";
  #greeted = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.#greeted.promise.catch(() => {});
    socket.setEncoding("utf8").on("data", (text: string) => this.#receiveText(text));
    // The reason arrives with `close`, which always follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
  }

  /**
   * Connects and negotiates. A QEMU that starts, or that serves somebody else, keeps the caller waiting until `signal`
   * says otherwise; one that has ended fails at once.
   */
  static async connect(path: string, signal: AbortSignal): Promise<QmpClient> {
    signal.throwIfAborted();
    const socket = connectUnix(path);
    const giveUp = () => socket.destroy();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await once(socket, "connect", { signal });
      const client = new QmpClient(socket);
      await client.#greeted.promise;
      await client.execute("qmp_capabilities");
      return client;
    } catch (reason) {
      socket.destroy();
      signal.throwIfAborted();
      throw reason;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Runs a command and gives its `return` value. Rejects with QEMU's own description, or when the connection ends. */
  execute<T = unknown>(command: string, args?: Record<string, unknown>): Promise<T> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#socket.destroyed) {
      reject(new WrennError("unavailable", `QMP ${command}: the connection is closed`));
      return promise;
    }
    this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receiveText(text: string): void {
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    // A guest that has taken over its VMM says what it likes.
    if (this.#unfinished.length > MAX_MESSAGE_CHARACTERS) this.#socket.destroy();
    for (const line of lines) if (line.trim() !== "") this.#receive(line);
  }

  #receive(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line);
    } catch {
      this.#socket.destroy(new Error("QMP: not JSON"));
      return;
    }
    if ("QMP" in message) this.#greeted.resolve();
    else if (typeof message["event"] === "string") {
      this.emit("event", message["event"], (message["data"] ?? {}) as Record<string, unknown>);
    } else this.#settle(message);
  }

  #settle(message: Record<string, unknown>): void {
    const pending = this.#pending.get(message["id"] as number);
    if (!pending) return;
    this.#pending.delete(message["id"] as number);
    const failure = message["error"] as { class: string; desc: string } | undefined;
    if (failure) pending.reject(new WrennError("internal", `QEMU refused a command: ${failure.desc}`));
    else pending.resolve(message["return"]);
  }

  #closed(): void {
    const reason = new WrennError("unavailable", "QMP: the connection to QEMU was closed");
    this.#greeted.reject(reason);
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
    this.emit("close");
  }
}
