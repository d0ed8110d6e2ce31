// A host agent without machines, for tests of the control plane: the real protocol on a real Unix socket.
// What it does to a sandbox is scripted by the command that is run, so that each test says what it needs.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ErrorCode } from "@wrenn/core";
import { HostAgentService, type SendExecInputRequest } from "@wrenn/rpc/hostagent";

export interface FakeSandbox {
  status: string;
  template: string;
}

export interface FakeReport {
  id: string;
  sandboxId: string;
  status: string;
  reason: string;
}

/** A failure as a host agent tells it. */
export function hostError(
  code: ErrorCode,
  connect: Code,
  message = `the host says ${code}`,
  field?: string,
): ConnectError {
  return new ConnectError(message, connect, {
    "wrenn-code": code,
    ...(field !== undefined && { "wrenn-field": field }),
  });
}

export class FakeHost implements AsyncDisposable {
  readonly id: string;
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly files = new Map<string, Buffer>();
  reports: FakeReport[] = [];
  readonly templates = new Set(["minimal"]);
  isolation = "tcg";
  /** Calls by method, oldest first. */
  readonly calls: { method: string; requestId: string; message: unknown }[] = [];
  /** Runs before a method answers; throws to make it fail, waits to make it slow. */
  before: Partial<Record<string, () => Promise<void> | void>> = {};
  /** Bytes of output that the last stream has handed to the transport. */
  produced = 0;
  /** Uploads that are being read. */
  uploads = 0;
  /** Streams whose caller has gone. */
  abandoned = 0;
  readonly #inputs = new Map<string, (input: SendExecInputRequest["input"]) => void>();
  readonly #server: Server;
  readonly #dir: string;

  private constructor(id: string, dir: string) {
    this.id = id;
    this.#dir = dir;
    const rpc = connectNodeAdapter({ routes: (router) => this.#routes(router) });
    this.#server = createServer((request, response) => {
      if (request.url?.startsWith("/raw/")) void this.#raw(request, response);
      else rpc(request, response);
    });
  }

  static async start(id = "fake"): Promise<FakeHost> {
    const host = new FakeHost(id, await mkdtemp(join(tmpdir(), "wrenn-host-")));
    await host.listen();
    return host;
  }

  get address(): string {
    return `unix:${join(this.#dir, "agent.sock")}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(join(this.#dir, "agent.sock"));
    await once(this.#server, "listening");
  }

  /** Goes away as a crash does: every connection breaks. */
  async goAway(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.goAway();
    await rm(this.#dir, { recursive: true, force: true });
  }

  callsOf(method: string): { requestId: string; message: unknown }[] {
    return this.calls.filter((call) => call.method === method);
  }

  async #called(method: string, message: unknown, context: HandlerContext): Promise<void> {
    this.calls.push({ method, message, requestId: context.requestHeader.get("x-request-id") ?? "" });
    await this.before[method]?.();
  }

  #routes(router: ConnectRouter): void {
    router.service(HostAgentService, {
      createSandbox: async (request, context) => {
        await this.#called("createSandbox", request, context);
        this.sandboxes.set(request.sandboxId, { status: "running", template: request.template });
        return {
          sandboxId: request.sandboxId,
          status: "running",
          hostIp: "10.11.0.1",
          guestIp: "169.254.0.21",
          isolation: this.isolation,
          onTimeout: request.onTimeout || "destroy",
        };
      },
      destroySandbox: async (request, context) => {
        await this.#called("destroySandbox", request, context);
        this.sandboxes.delete(request.sandboxId);
        return {};
      },
      pauseSandbox: async (request, context) => {
        await this.#called("pauseSandbox", request, context);
        this.sandboxes.delete(request.sandboxId);
        return {};
      },
      resumeSandbox: async (request, context) => {
        await this.#called("resumeSandbox", request, context);
        this.sandboxes.set(request.sandboxId, { status: "running", template: "minimal" });
        return { sandboxId: request.sandboxId, status: "running", hostIp: "10.11.0.2" };
      },
      exec: async (request, context) => {
        await this.#called("exec", request, context);
        if (request.cmd === "missing")
          throw hostError("command_not_found", Code.InvalidArgument, "no missing", "cmd");
        return answerExec(request.cmd, request.args, request.stdin);
      },
      execStream: (request, context) => this.#execStream(request.cmd, request.args, context),
      sendExecInput: async (request, context) => {
        await this.#called("sendExecInput", request, context);
        this.#inputs.get(request.sandboxId)?.(request.input);
        return {};
      },
      listSandboxes: async (request, context) => {
        await this.#called("listSandboxes", request, context);
        return {
          sandboxes: [...this.sandboxes].map(([sandboxId, sandbox]) => ({
            sandboxId,
            ...sandbox,
            isolation: this.isolation,
            lastActiveAtUnix: BigInt(Math.floor(Date.now() / 1000)),
          })),
        };
      },
      pingSandbox: async (request, context) => {
        await this.#called("pingSandbox", request, context);
        return {};
      },
      listTemplates: async (request, context) => {
        await this.#called("listTemplates", request, context);
        return { templates: [...this.templates].map(templateInfo) };
      },
      buildTemplate: (request, context) => this.#build(request.name, request.recipe, context),
      deleteTemplate: async (request, context) => {
        await this.#called("deleteTemplate", request, context);
        this.templates.delete(request.name);
        return {};
      },
      getHost: async (request, context) => {
        await this.#called("getHost", request, context);
        return {
          hostId: this.id,
          isolation: this.isolation,
          cpus: 2,
          memoryBytes: 8n << 30n,
          memoryFreeBytes: 4n << 30n,
          sandboxes: this.sandboxes.size,
          maxSandboxes: 100,
          version: "test",
          vmm: "fake",
        };
      },
      listReports: async (request, context) => {
        await this.#called("listReports", request, context);
        return { reports: this.reports };
      },
      acknowledgeReports: async (request, context) => {
        await this.#called("acknowledgeReports", request, context);
        this.reports = this.reports.filter((report) => !request.ids.includes(report.id));
        return {};
      },
    });
  }

  async *#execStream(cmd: string, args: string[], context: HandlerContext) {
    await this.#called("execStream", { cmd, args }, context);
    this.produced = 0;
    const onGone = () => {
      this.abandoned += 1;
    };
    context.signal.addEventListener("abort", onGone);
    const inputs: SendExecInputRequest["input"][] = [];
    let wake = Promise.withResolvers<void>();
    for (const id of this.sandboxes.keys()) {
      this.#inputs.set(id, (input) => {
        inputs.push(input);
        wake.resolve();
      });
    }
    const next = async () => {
      while (inputs.length === 0) {
        wake = Promise.withResolvers();
        context.signal.addEventListener("abort", () => wake.reject(context.signal.reason));
        await wake.promise;
      }
      return inputs.shift() as SendExecInputRequest["input"];
    };
    yield { event: { case: "start", value: { pid: 7 } } } as const;
    for await (const event of streamScript(cmd, args, next)) {
      if (event.case === "data") this.produced += event.value.output.value?.length ?? 0;
      yield { event };
    }
    context.signal.removeEventListener("abort", onGone);
  }

  async *#build(name: string, recipe: string, context: HandlerContext) {
    await this.#called("buildTemplate", { name, recipe }, context);
    if (name === "unknown")
      throw hostError("not_found", Code.NotFound, "no built-in recipe called unknown", "name");
    yield { event: { case: "step", value: { name: "install", done: false } } } as const;
    yield { event: { case: "log", value: `building ${name}` } } as const;
    await this.before["building"]?.();
    yield { event: { case: "step", value: { name: "install", done: true, millis: 5n } } } as const;
    this.templates.add(name);
    yield { event: { case: "ready", value: templateInfo(name) } } as const;
  }

  async #raw(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "", "http://host").searchParams.get("path") ?? "";
    this.calls.push({
      method: `${request.method} raw`,
      message: path,
      requestId: String(request.headers["x-request-id"] ?? ""),
    });
    try {
      await this.before[`${request.method} raw`]?.();
      if (request.method === "PUT") await this.#put(path, request, response);
      else this.#get(path, response);
    } catch {
      // The caller broke off: nothing has been kept.
      response.destroy();
    }
  }

  async #put(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path.startsWith("/full")) {
      refuse(response, 507, { code: "no_space", message: "the disk is full" });
      return;
    }
    const chunks: Buffer[] = [];
    this.produced = 0;
    this.uploads += 1;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        this.produced += chunk.length;
        if (path !== "/dev/null") chunks.push(chunk);
      }
      this.files.set(path, Buffer.concat(chunks));
      response.writeHead(204).end();
    } finally {
      this.uploads -= 1;
    }
  }

  #get(path: string, response: ServerResponse): void {
    const content = this.files.get(path);
    if (!content) {
      refuse(response, 404, { code: "not_found", message: `there is no ${path}`, field: "path" });
      return;
    }
    response.writeHead(200, { "content-length": content.length });
    if (path === "/breaks") {
      response.write(content.subarray(0, content.length / 2), () => response.destroy());
    } else response.end(content);
  }
}

function refuse(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function templateInfo(name: string) {
  return {
    name,
    type: "base",
    vcpus: 1,
    memoryMb: 512,
    sizeBytes: 4096n,
    createdAtUnix: 1_700_000_000n,
    rootfsSha256: "00".repeat(32),
  };
}

function answerExec(cmd: string, args: string[], stdin: Uint8Array) {
  const text = (value: string) => Buffer.from(value);
  const common = { stderr: text(""), exitCode: 0, guestMicros: 1500n };
  switch (cmd) {
    case "echo":
      return { ...common, stdout: text(`${args.join(" ")}\n`) };
    case "cat":
      return { ...common, stdout: stdin };
    case "binary":
      return { ...common, stdout: Buffer.from([0xff, 0x00]), stderr: text("é") };
    case "cut":
      // The bound fell into the middle of a character.
      return { ...common, stdout: text("aé").subarray(0, 2), truncated: true };
    case "sleep":
      return { ...common, stdout: text("so far"), timedOut: true };
    case "killed":
      return { ...common, stdout: text(""), signal: "SIGKILL" };
    default:
      return { ...common, stdout: text(""), exitCode: Number(cmd) || 0 };
  }
}

type Next = () => Promise<SendExecInputRequest["input"]>;

interface End {
  exitCode?: number;
  signal?: string;
  timedOut?: boolean;
}

const out = (value: Uint8Array) => ({ case: "data", value: { output: { case: "stdout", value } } }) as const;
const err = (value: Uint8Array) => ({ case: "data", value: { output: { case: "stderr", value } } }) as const;
const end = (value: End) => ({ case: "end", value }) as const;

type StreamEvent = ReturnType<typeof out> | ReturnType<typeof err> | ReturnType<typeof end>;

async function* streamScript(cmd: string, args: string[], next: Next): AsyncGenerator<StreamEvent, void> {
  switch (cmd) {
    case "split": {
      const bytes = Buffer.from("a€b");
      for (const byte of bytes) yield out(Buffer.of(byte));
      yield err(Buffer.from([0xe2, 0x82]));
      return yield end({ exitCode: 0 });
    }
    case "binary":
      yield out(Buffer.from([0xff, 0xfe]));
      return yield end({ exitCode: 3 });
    case "cat":
      for (;;) {
        const input = await next();
        if (input.case === "stdin") yield out(input.value);
        else if (input.case === "stdinClose") return yield end({ exitCode: 0 });
        else if (input.case === "signal") return yield end({ signal: input.value });
        else if (input.case === "stop") return yield end({ signal: "SIGKILL" });
        else if (input.case === "resize") yield out(Buffer.from(`${input.value.cols}x${input.value.rows}`));
      }
    case "flood": {
      const block = Buffer.alloc(64 * 1024, "x");
      for (let left = Number(args[0]); left > 0; left -= block.length) yield out(block);
      return yield end({ exitCode: 0 });
    }
    case "idle":
      await next();
      return yield end({ exitCode: 0 });
    case "lost":
      yield out(Buffer.from("partial"));
      return;
    case "unreachable":
      throw hostError("guest_unreachable", Code.Unavailable, "the guest is gone");
    case "missing":
      throw hostError("command_not_found", Code.InvalidArgument, "no missing", "cmd");
    case "late":
      await delay(0);
      return yield end({ timedOut: true });
    default:
      return yield end({ exitCode: 0 });
  }
}
