// A host agent without machines, for tests of the control plane: the real protocol on a real Unix socket.
// What it does to a sandbox is scripted by the command that is run, so that each test says what it needs.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type BuildImageRequest, HostAgentService, type SendExecInputRequest } from "@wrenn/rpc/hostagent";
import { answerExec, streamScript } from "./fake-exec.ts";
import { type FakeSandbox, FakeSandboxes, inSeconds } from "./fake-sandboxes.ts";
import { FakeTunnels } from "./fake-tunnel.ts";
import { hostError } from "./host-error.ts";

export interface FakeReport {
  id: string;
  sandboxId: string;
  status: string;
  reason: string;
  event?: string;
  atUnixMs?: bigint;
}

/** Which connection a call came on. */
const CALL_HEADER = "x-fake-call";

export class FakeHost implements AsyncDisposable {
  id: string;
  readonly machines = new FakeSandboxes();
  readonly sandboxes: Map<string, FakeSandbox> = this.machines.all;
  readonly tunnels = new FakeTunnels(this.machines.all);
  readonly files = new Map<string, Buffer>();
  reports: FakeReport[] = [];
  readonly templates: Set<string> = this.machines.templates;
  /** What names of images stand for. */
  readonly images = new Map<string, { digest: string; envs: Record<string, string> }>();
  isolation = "tcg";
  /** Calls by method, oldest first. */
  readonly calls: { method: string; requestId: string; message: unknown }[] = [];
  /** Runs before a method answers; throws to make it fail, waits to make it slow. */
  before: Partial<Record<string, () => Promise<void> | void>> = {};
  /** Runs after a method has done its work, before it answers. */
  after: Partial<Record<string, () => Promise<void> | void>> = {};
  /** How many of a method's next answers are lost, after it has done its work. */
  readonly lose: Partial<Record<string, number>> = {};
  /** Whether paused sandboxes are listed. */
  listsPaused = true;
  /** Bytes of output that the last stream has handed to the transport. */
  produced = 0;
  /** Uploads that are being read. */
  uploads = 0;
  /** Streams whose caller has gone. */
  abandoned = 0;
  readonly #responses = new Map<string, ServerResponse>();
  #callCount = 0;
  readonly #inputs = new Map<string, (input: SendExecInputRequest["input"]) => void>();
  readonly #server: Server;
  readonly #dir: string;

  private constructor(id: string, dir: string) {
    this.id = id;
    this.#dir = dir;
    const rpc = connectNodeAdapter({ routes: (router) => this.#routes(router) });
    this.#server = createServer((request, response) => {
      if (request.url?.startsWith("/raw/")) void this.#raw(request, response);
      else {
        const call = String(this.#callCount++);
        request.headers[CALL_HEADER] = call;
        this.#responses.set(call, response);
        response.on("close", () => this.#responses.delete(call));
        rpc(request, response);
      }
    });
    this.#server.on("upgrade", (request, socket) => this.tunnels.accept(request, socket));
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

  /** Calls a method of the machines: what is to happen before it, its work, and whether its answer arrives. */
  async #on<Request, Answer>(
    method: string,
    request: Request,
    { context, work }: { context: HandlerContext; work: () => Answer },
  ): Promise<Answer> {
    await this.#called(method, request, context);
    const answer = work();
    await this.after[method]?.();
    const left = this.lose[method] ?? 0;
    if (left > 0) {
      this.lose[method] = left - 1;
      this.#responses.get(context.requestHeader.get(CALL_HEADER) ?? "")?.destroy();
    }
    return answer;
  }

  #routes(router: ConnectRouter): void {
    const { machines } = this;
    router.service(HostAgentService, {
      createSandbox: (request, context) =>
        this.#on("createSandbox", request, {
          context,
          work: () => ({ ...machines.create(request), isolation: this.isolation }),
        }),
      destroySandbox: (request, context) =>
        this.#on("destroySandbox", request, { context, work: () => machines.destroy(request.sandboxId) }),
      pauseSandbox: (request, context) =>
        this.#on("pauseSandbox", request, { context, work: () => machines.pause(request.sandboxId) }),
      resumeSandbox: (request, context) =>
        this.#on("resumeSandbox", request, { context, work: () => machines.resume(request) }),
      forkSandbox: (request, context) =>
        this.#on("forkSandbox", request, { context, work: () => machines.fork(request) }),
      restoreSandbox: (request, context) =>
        this.#on("restoreSandbox", request, { context, work: () => machines.restore(request) }),
      createSnapshot: (request, context) =>
        this.#on("createSnapshot", request, { context, work: () => machines.snapshot(request) }),
      deleteSnapshot: (request, context) =>
        this.#on("deleteSnapshot", request, { context, work: () => machines.deleteSnapshot(request.name) }),
      setTimeout: (request, context) =>
        this.#on("setTimeout", request, { context, work: () => machines.setTimeout(request) }),
      setEgress: (request, context) => this.#on("setEgress", request, { context, work: () => ({}) }),
      getAccess: (request, context) =>
        this.#on("getAccess", request, { context, work: () => machines.access(request.sandboxId) }),
      getConsole: (request, context) =>
        this.#on("getConsole", request, { context, work: () => machines.console(request.sandboxId) }),
      listSamples: (request, context) =>
        this.#on("listSamples", request, { context, work: () => machines.samplesOf(request) }),
      getStorage: (request, context) =>
        this.#on("getStorage", request, { context, work: () => machines.storage() }),
      exec: async (request, context) => {
        await this.#called("exec", request, context);
        machines.assertRunning(request.sandboxId);
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
          sandboxes: [...this.sandboxes]
            .filter(([, { status }]) => this.listsPaused || status !== "paused")
            .map(([sandboxId, sandbox]) => ({
              sandboxId,
              ...sandbox,
              expiresAtUnixMs: BigInt(sandbox.expiresAt ?? 0),
              isolation: this.isolation,
              createdAtUnix: inSeconds(sandbox.createdAt),
              lastActiveAtUnix: inSeconds(),
            })),
        };
      },
      pingSandbox: async (request, context) => {
        await this.#called("pingSandbox", request, context);
        return {};
      },
      listTemplates: async (request, context) => {
        await this.#called("listTemplates", request, context);
        const bases = [...this.templates].map(templateInfo);
        return { templates: [...bases, ...machines.snapshotInfos()] };
      },
      buildTemplate: (request, context) => this.#build(request.name, request.recipe, context),
      resolveImage: (request, context) =>
        this.#on("resolveImage", request, {
          context,
          work: () => {
            const reference = request.image?.reference ?? "";
            const image = this.images.get(reference);
            if (!image)
              throw hostError("not_found", Code.NotFound, `there is no image ${reference}`, "fromImage");
            return { ...image, pinned: `${reference.split(":").slice(0, 2).join(":")}@${image.digest}` };
          },
        }),
      buildImage: (request, context) => this.#buildImage(request, context),
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

  async *#buildImage(request: BuildImageRequest, context: HandlerContext) {
    await this.#called("buildImage", request, context);
    yield { event: { case: "log", value: "layer 1 of 1" } } as const;
    this.templates.add(request.name);
    yield { event: { case: "ready", value: templateInfo(request.name) } } as const;
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
