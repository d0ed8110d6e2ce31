// For tests: the code interpreter with real kernels, run by Node as the user that runs the tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Log } from "../agent/log.ts";
import { AgentState } from "../agent/state.ts";
import type { Launched } from "../interpreter/fork-server.ts";
import { Interpreter } from "../interpreter/interpreter.ts";
import { killTree } from "../process/tree.ts";
import { Attachments } from "../streams/attachments.ts";
import { OpenStreams } from "../streams/open-streams.ts";
import { TOKEN } from "./running-envd.ts";

/** Debian's, which has IPython. */
const PATH = "/usr/bin:/bin";

/** A line of an execution's results. */
export type Line = { type: string } & Record<string, unknown>;

export interface RunOptions {
  language?: string;
  context_id?: string;
  env_vars?: Record<string, string>;
}

export interface Outcome {
  types: string[];
  stdout: string;
  stderr: string;
  results: Line[];
  /** Of the last expression. */
  text: unknown;
  error: Line | undefined;
  count: unknown;
}

export class InterpreterWorld implements AsyncDisposable {
  readonly home: string = mkdtempSync(join(tmpdir(), "wrenn-interpreter-"));
  readonly state: AgentState = new AgentState();
  readonly attachments: Attachments = new Attachments();
  readonly interpreter: Interpreter;
  readonly programs: Launched[] = [];

  constructor({ preload = [], stallMs = 60_000 }: { preload?: string[]; stallMs?: number } = {}) {
    this.state.token = TOKEN;
    this.interpreter = new Interpreter({
      settings: { preload },
      state: this.state,
      user: () => ({ name: "tester", uid: 0, gid: 0, home: this.home, groups: [] }),
      attachments: this.attachments,
      streams: new OpenStreams(),
      stallMs,
      log: new Log(),
      kernels: join(import.meta.dirname, "../interpreter/kernels"),
      socketPath: join(this.home, "kernels.sock"),
      launch: (command) => {
        const program = launch(command, this.home);
        this.programs.push(program);
        return program;
      },
      keep: (pid) => () => killTree({ pid, cgroup: undefined }),
    });
  }

  request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.interpreter.handle(
      new Request(`http://guest${path}`, {
        method,
        headers: { "x-access-token": TOKEN, ...headers },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
    );
  }

  /** The lines of an execution as they come. */
  async *lines(code: string, options: RunOptions = {}): AsyncGenerator<Line> {
    const response = await this.request("POST", "/execute", { code, ...options });
    if (response.status !== 200 || response.body === null) {
      throw new Error(`${response.status}: ${await response.text()}`);
    }
    let rest = "";
    for await (const chunk of response.body) {
      rest += Buffer.from(chunk).toString("latin1");
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as Line;
    }
  }

  /** All of an execution, put together. */
  async run(code: string, options: RunOptions = {}): Promise<Outcome> {
    return await (await this.start(code, options)).outcome;
  }

  /** Resolves when the code runs. */
  async start(code: string, options: RunOptions = {}): Promise<{ outcome: Promise<Outcome> }> {
    const lines = this.lines(code, options);
    const first = await lines.next();
    return { outcome: collect(first.done ? [] : [first.value], lines) };
  }

  /** A new context's id. */
  async context(body: { language?: string; cwd?: string } = {}): Promise<string> {
    const response = await this.request("POST", "/contexts", body);
    return ((await response.json()) as { id: string }).id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.interpreter.close();
    await Promise.all(this.programs.map(({ exited }) => exited));
    rmSync(this.home, { recursive: true, force: true });
  }
}

async function collect(seen: Line[], rest: AsyncGenerator<Line>): Promise<Outcome> {
  for await (const line of rest) if (line.type !== "keepalive") seen.push(line);
  const text = (type: string) =>
    seen
      .filter((line) => line.type === type)
      .map((line) => line["text"])
      .join("");
  return {
    types: seen.map(({ type }) => type),
    stdout: text("stdout"),
    stderr: text("stderr"),
    results: seen.filter(({ type }) => type === "result"),
    text: seen.find((line) => line["is_main_result"] === true)?.["text"],
    error: seen.find(({ type }) => type === "error"),
    count: seen.find(({ type }) => type === "number_of_executions")?.["execution_count"],
  };
}

function launch([name = "", ...args]: readonly string[], home: string): Launched {
  const child = spawn(name, args, { env: { PATH, HOME: home }, stdio: "pipe", detached: true });
  const pid = child.pid ?? 0;
  return {
    pid,
    write: (text) =>
      new Promise((resolve, reject) => child.stdin.write(text, (e) => (e ? reject(e) : resolve()))),
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    exited: once(child, "exit"),
    kill: () => killTree({ pid, cgroup: undefined }),
  };
}
