// The process that kernels are forked from, and the socket on which they report.
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { randomHex } from "../platform/random.ts";
import { parseStat } from "../process/descendants.ts";
import { linesOf } from "./lines.ts";
import type { Language } from "./request.ts";

/** A started program. */
export interface Launched {
  pid: number;
  /** Writes to its stdin; resolves when it has been taken. */
  write(text: string): Promise<void>;
  stdout: AsyncIterable<Uint8Array>;
  stderr: AsyncIterable<Uint8Array>;
  exited: Promise<unknown>;
  kill(): void;
}

/** A kernel's connection, before anything but its hello was said on it. */
export interface Connection {
  pid: number;
  socket: Socket;
  lines: AsyncGenerator<Buffer>;
}

export interface ForkServerOptions {
  /** Starts the program with these arguments. */
  launch: (args: readonly string[]) => Launched;
  /** Where the kernels connect to. */
  socketPath: string;
  /** Python modules to load first. */
  modules: readonly string[];
}

/** One line of a kernel: results of 16 MiB, and what surrounds them. */
const MAX_LINE_BYTES = 17 * 1024 * 1024;
/** Loading takes an emulated guest tens of seconds; forking some milliseconds. */
const LOAD_MS = 300_000;
const FORK_MS = 60_000;
/** What is kept of the program's last words, for an error's message. */
const LAST_WORDS_BYTES = 2048;

interface Waiting {
  resolve(connection: Connection): void;
  reject(error: WrennError): void;
}

export class ForkServer {
  readonly #options: ForkServerOptions;
  readonly #server: Server;
  readonly #waiting = new Map<string, Waiting>();
  #running: Promise<Launched> | undefined;
  #closed = false;

  constructor(options: ForkServerOptions) {
    this.#options = options;
    rmSync(options.socketPath, { force: true });
    this.#server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      this.#greet(socket).catch(() => socket.destroy());
    });
    // Kernels are the user's. What counts is the key, which only the one that it was made for knows.
    this.#server.listen(options.socketPath, () => chmodSync(options.socketPath, 0o666));
  }

  /** Resolves when the program has loaded everything; starts it if it does not run. */
  async ready(): Promise<void> {
    await this.#program();
  }

  /** A new kernel. Throws `internal` when the program cannot be started or does not answer. */
  async fork(language: Language): Promise<Connection> {
    const program = await this.#program();
    const key = randomHex(16);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const late = setTimeout(() => reject(failure(`no kernel within ${FORK_MS / 1000} s`)), FORK_MS);
    this.#waiting.set(key, { resolve, reject });
    try {
      await program.write(`${JSON.stringify({ key, language })}\n`);
      return await promise;
    } catch (reason) {
      throw reason instanceof WrennError ? reason : failure("the fork server has ended", reason);
    } finally {
      clearTimeout(late);
      this.#waiting.delete(key);
    }
  }

  /** Ends the program; kernels end with their connections. */
  close(): void {
    this.#closed = true;
    this.#server.close();
    this.#running?.then(
      (program) => program.kill(),
      () => undefined,
    );
    rmSync(this.#options.socketPath, { force: true });
  }

  #program(): Promise<Launched> {
    if (this.#closed) return Promise.reject(failure("it is being shut down"));
    this.#running ??= this.#start().catch((reason: unknown) => {
      this.#running = undefined;
      throw reason;
    });
    return this.#running;
  }

  async #start(): Promise<Launched> {
    const { launch, socketPath, modules } = this.#options;
    const program = launch([socketPath, ...modules]);
    const words = lastWords(program.stderr);
    const late = setTimeout(() => program.kill(), LOAD_MS);
    let isReady = false;
    try {
      for await (const line of linesOf(program.stdout, 1024)) {
        isReady = line.toString() === "ready";
        break;
      }
    } finally {
      clearTimeout(late);
      if (!isReady) program.kill();
    }
    if (!isReady) throw failure(`its kernels could not be loaded: ${await words}`);
    void program.exited.then(async () => {
      this.#running = undefined;
      const error = failure(`the fork server has ended: ${await words}`);
      for (const waiting of this.#waiting.values()) waiting.reject(error);
    });
    return program;
  }

  /** The first line of a connection says whose it is. */
  async #greet(socket: Socket): Promise<void> {
    const lines = linesOf(socket, MAX_LINE_BYTES);
    const { value, done } = await lines.next();
    const { key, pid } = done ? {} : helloOf(value);
    const waiting = this.#waiting.get(key ?? "");
    const program = await this.#running;
    if (waiting === undefined || pid === undefined || parentOf(pid) !== program?.pid) {
      socket.destroy();
      return;
    }
    waiting.resolve({ pid, socket, lines });
  }
}

function helloOf(line: Buffer): { key?: string; pid?: number } {
  const { hello } = JSON.parse(line.toString("utf8", 1)) as { hello?: { key?: unknown; pid?: unknown } };
  return typeof hello?.key === "string" && typeof hello.pid === "number"
    ? { key: hello.key, pid: hello.pid }
    : {};
}

/** Nobody names a process that is none of the program's. */
function parentOf(pid: number): number | undefined {
  try {
    return parseStat(readFileSync(`/proc/${Math.trunc(pid)}/stat`, "utf8"))?.ppid;
  } catch {
    return undefined;
  }
}

async function lastWords(source: AsyncIterable<Uint8Array>): Promise<string> {
  let words = Buffer.alloc(0);
  for await (const chunk of source) words = Buffer.concat([words, chunk]).subarray(-LAST_WORDS_BYTES);
  return words.toString("utf8").trim() || "it said nothing";
}

function failure(message: string, cause?: unknown): WrennError {
  return new WrennError("internal", `code interpreter: ${message}`, { cause });
}
