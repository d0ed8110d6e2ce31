// The one QMP connection that is kept to a machine, made anew when it breaks while the machine lives.
import { EventEmitter } from "node:events";
import { debuglog } from "node:util";
import { WrennError } from "@wrenn/core";
import { QmpClient } from "./qmp.ts";

const log = debuglog("wrenn-vmm");

export interface SessionOptions {
  /** Path of the control socket on the host. */
  path: string;
  /** Whether the machine's process still runs. */
  isAlive: () => boolean;
}

export interface CommandOptions {
  /** Milliseconds until the answer must be there, connecting included. Default: 30 000. */
  timeoutMs?: number;
}

/** A QEMU that starts among many others answers after seconds. */
const COMMAND_TIMEOUT_MS = 30_000;
/** Pause before connecting anew, so that a VMM which hangs up each time costs nothing. */
const RECONNECT_MS = 100;
const CONNECT_TIMEOUT_MS = 60_000;

/** Emits `event` for QEMU's asynchronous messages, `close` whenever a connection has ended. */
export class QmpSession extends EventEmitter<{
  event: [name: string, data: Record<string, unknown>];
  close: [];
}> {
  readonly #options: SessionOptions;
  #client: Promise<QmpClient>;
  #timer: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();

  /** Starts connecting; commands wait for that. */
  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    this.#client = this.#connect();
  }

  /** Runs a command. Throws `deadline_exceeded`, `unavailable` (connection lost, machine gone) or QEMU's refusal. */
  async execute<T = unknown>(
    command: string,
    args?: Record<string, unknown>,
    { timeoutMs = COMMAND_TIMEOUT_MS }: CommandOptions = {},
  ): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new WrennError("deadline_exceeded", `QEMU did not answer ${command} in ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      const answer = this.#client.then((client) => client.execute<T>(command, args));
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection for good. */
  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
    this.#client.then(
      (client) => client.close(),
      () => {},
    );
  }

  #connect(): Promise<QmpClient> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const connected = QmpClient.connect(this.#options.path, signal).then(
      (client) => {
        client.on("event", (name, data) => this.emit("event", name, data));
        client.on("close", () => this.#lost("closed"));
        return client;
      },
      (cause) => {
        this.#lost(cause);
        throw new WrennError("unavailable", "the virtual machine does not answer on its control socket", {
          cause,
        });
      },
    );
    connected.catch(() => {}); // whoever runs a command sees it
    return connected;
  }

  #lost(reason: unknown): void {
    if (this.#closing.signal.aborted) return;
    log("connection to %s lost: %s", this.#options.path, reason);
    this.emit("close");
    this.#timer = setTimeout(() => {
      if (this.#options.isAlive()) this.#client = this.#connect();
    }, RECONNECT_MS);
  }
}
