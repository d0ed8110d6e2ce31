// For tests: an agent run from source by Bun on loopback, and clients for it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Filesystem, Process } from "@wrenn/rpc/envd";
import { bunExecutable } from "../build.ts";

const MAIN = join(import.meta.dirname, "../main.ts");

export const TOKEN = "0".repeat(64);

export interface RunningEnvdOptions {
  args?: string[];
  env?: Record<string, string>;
  /** A compiled agent instead of the sources. */
  executable?: string;
  /** Command and arguments that run the agent in other surroundings. */
  wrapper?: string[];
  /** Sent to /init right away; `null` leaves the agent uninitialised. */
  init?: Record<string, unknown> | null;
}

/** Ends with the agent's own end. */
export class RunningEnvd implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly log: string[];
  readonly process: Client<typeof Process>;
  readonly filesystem: Client<typeof Filesystem>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number, log: string[]) {
    this.#child = child;
    this.pid = child.pid as number;
    this.log = log;
    this.url = `http://127.0.0.1:${port}`;
    this.process = this.processAs("root");
    this.filesystem = createClient(Filesystem, this.transport("root"));
  }

  static async start({
    args = [],
    executable,
    env = {},
    wrapper = [],
    init = {},
  }: RunningEnvdOptions = {}): Promise<RunningEnvd> {
    const program = executable === undefined ? [bunExecutable(), MAIN] : [executable];
    const command = [
      ...wrapper,
      ...program,
      "--port",
      "0",
      "--gateway-port",
      "0",
      "--host",
      "127.0.0.1",
      ...args,
    ];
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });
    const log: string[] = [];
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => log.push(line));
    const [first] = await Promise.race([once(lines, "line"), once(child, "exit")]);
    const envd = new RunningEnvd(child, JSON.parse(String(first)).port, log);
    if (init !== null) await envd.init({ accessToken: TOKEN, ...init });
    return envd;
  }

  async init(body: Record<string, unknown>, token?: string): Promise<Response> {
    const headers: Record<string, string> = token === undefined ? {} : { "x-access-token": token };
    return fetch(`${this.url}/init`, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** A plain HTTP request with the token. */
  fetch(path: string, init: RequestInit & { duplex?: "half" } = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("x-access-token", TOKEN);
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  processAs(user: string | undefined, useBinaryFormat = true): Client<typeof Process> {
    return createClient(Process, this.transport(user, useBinaryFormat));
  }

  transport(user: string | undefined, useBinaryFormat = true) {
    return createConnectTransport({
      baseUrl: this.url,
      httpVersion: "1.1",
      useBinaryFormat,
      interceptors: [
        (next) => (request) => {
          request.header.set("x-access-token", TOKEN);
          if (user !== undefined) request.header.set("authorization", `Basic ${btoa(`${user}:`)}`);
          return next(request);
        },
      ],
    });
  }

  /** Resident memory in bytes. */
  get rss(): number {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
    return Number(kib) * 1024;
  }

  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}
