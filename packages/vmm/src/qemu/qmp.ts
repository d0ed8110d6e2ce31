// QMP, QEMU's control protocol: one JSON object a line over a Unix socket.
// Source: https://www.qemu.org/docs/master/interop/qmp-spec.html
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { WrennError } from "@wrenn/core";

interface Pending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** One connection to one QEMU. QEMU serves a single client at a time. Emits `event` for asynchronous messages. */
export class QmpClient extends EventEmitter<{
  event: [name: string, data: Record<string, unknown>];
  close: [];
}> {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #greeted = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.#greeted.promise.catch(() => {});
    createInterface({ input: socket }).on("line", (line) => this.#receive(line));
    // The reason arrives with `close`, which always follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
  }

  /**
   * Connects and negotiates. The socket appears some milliseconds after the process: until `signal` says otherwise,
   * a missing or refusing socket is tried again every 2 ms.
   */
  static async connect(path: string, signal: AbortSignal): Promise<QmpClient> {
    for (;;) {
      signal.throwIfAborted();
      const socket = connect(path);
      try {
        await once(socket, "connect", { signal });
        const client = new QmpClient(socket);
        await client.#greeted.promise;
        await client.execute("qmp_capabilities");
        return client;
      } catch (reason) {
        socket.destroy();
        const code = (reason as NodeJS.ErrnoException).code;
        if (code !== "ENOENT" && code !== "ECONNREFUSED") throw reason;
        await delay(2, undefined, { signal });
      }
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
