// One process that runs code, as the agent talks to it; kernels/wrenn_kernels/session.py is the other side.
import { WrennError } from "@wrenn/core";
import type { Connection } from "./fork-server.ts";

/** What makes one copy of a guest differ from another. */
export interface Life {
  envs: Readonly<Record<string, string>>;
  /** Hexadecimal digits. */
  seed: string;
}

export interface Order {
  id: number;
  code: string;
  envs: Readonly<Record<string, string>>;
}

/** Takes a line of results; the kernel is held up until it resolves. */
export type OnLine = (line: Buffer) => Promise<void> | undefined;

/** Kills a process and all that it started, and frees what was kept about it. */
export type Kill = () => void;

const CONTROL = "!".charCodeAt(0);

interface Said {
  ready?: true;
  failed?: string;
  done?: number;
}

export class Kernel {
  readonly #connection: Connection;
  readonly #kill: Kill;
  readonly #begun = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #isOver = false;
  #current: { id: number; onLine: OnLine; resolve: (isDone: boolean) => void } | undefined;

  /** `kill` is called once, at the end, whatever the end was. */
  constructor(connection: Connection, kill: Kill) {
    this.#connection = connection;
    this.#kill = kill;
    this.#begun.promise.catch(() => undefined);
    void this.#read();
  }

  /** Resolves when the process has gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Gives it its directory and life. Throws `invalid_argument` when it cannot enter the directory. */
  async begin(cwd: string, life: Life): Promise<void> {
    this.#say({ op: "begin", cwd, ...life });
    await this.#begun.promise;
  }

  /** Runs code; one at a time. `false`: the process has ended before the code had. */
  execute(order: Order, onLine: OnLine): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#current = { id: order.id, onLine, resolve };
    this.#say({ op: "execute", id: order.id, code: order.code, envs: order.envs });
    return promise;
  }

  /** As Ctrl-C does; nothing when that execution is over. */
  interrupt(id: number): void {
    this.#say({ op: "interrupt", id });
  }

  /** It is another copy now. */
  renew(life: Life): void {
    this.#say({ op: "renew", ...life });
  }

  /** Kills it and all that it started. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // While it lives all of its processes can be found; it ends by itself without its connection.
    this.#kill();
    this.#connection.socket.destroy();
  }

  #say(message: object): void {
    this.#connection.socket.write(`${JSON.stringify(message)}\n`);
  }

  async #read(): Promise<void> {
    try {
      for await (const line of this.#connection.lines) {
        if (line[0] === CONTROL) this.#hear(JSON.parse(line.toString("utf8", 1)) as Said);
        else await this.#current?.onLine(line);
      }
    } catch {
      // A connection that broke, or something that is none of its lines: either way it is of no use any more.
    }
    this.end();
    this.#begun.reject(new WrennError("internal", "code interpreter: the kernel ended before it had begun"));
    this.#current?.resolve(false);
    this.#ended.resolve();
  }

  #hear({ ready, failed, done }: Said): void {
    if (ready) this.#begun.resolve();
    if (failed !== undefined) {
      const message = `cwd ${String(failed).slice(0, 300)}`;
      this.#begun.reject(new WrennError("invalid_argument", message, { field: "cwd" }));
    }
    if (done !== undefined && done === this.#current?.id) {
      this.#current.resolve(true);
      this.#current = undefined;
    }
  }
}
