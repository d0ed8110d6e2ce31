// A service for the CLI's tests: its sandboxes are this machine, its streams run real processes here.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type WebSocket, WebSocketServer } from "ws";

export const SANDBOX_ID = "sb-0123456789abcdef";
const NOW = "2026-11-23T20:15:30.125Z";
const SANDBOX = {
  id: SANDBOX_ID,
  status: "running",
  template: "minimal",
  vcpus: 1,
  memory_mb: 512,
  metadata: { owner: "me" },
  created_at: NOW,
};
const ENDED = { ...SANDBOX, status: "stopped" };

const SNAPSHOT = {
  name: "warm",
  type: "snapshot",
  vcpus: 1,
  memory_mb: 512,
  size_bytes: 83_886_080,
  created_at: NOW,
};
const STORAGE = {
  hosts: [
    {
      host_id: "local",
      free_bytes: 1024 ** 4,
      total_bytes: 2 * 1024 ** 4,
      entries: [
        { kind: "sandbox", id: SANDBOX_ID, size_bytes: 1024, used_by: [] },
        {
          kind: "image",
          id: "ab".repeat(32),
          name: "minimal",
          size_bytes: 412_090_368,
          used_by: ["template minimal", `sandbox ${SANDBOX_ID}`],
        },
      ],
    },
  ],
};

export interface TestService extends AsyncDisposable {
  url: string;
  /** `METHOD path` of every call, in order. */
  calls: string[];
  /** JSON bodies, by call. */
  bodies: Map<string, unknown>;
  /** Queries, by call. */
  queries: Map<string, string>;
  /** Sandboxes that exist now. */
  alive: Set<string>;
}

/** `template`: whether the service has it, lacks it, or is building it without having been asked by this client. */
export async function testService({
  template = "ready",
}: {
  template?: "ready" | "missing" | "building";
} = {}): Promise<TestService> {
  const calls: string[] = [];
  const bodies = new Map<string, unknown>();
  const queries = new Map<string, string>();
  const alive = new Set<string>();
  let isBuilt = template === "ready";
  const sockets = new WebSocketServer({ noServer: true });

  const answers: Record<string, (request: { body: Buffer; json: () => never }) => unknown> = {
    "POST /v1/sandboxes": () => {
      if (!isBuilt && template === "building") {
        return refusal(503, "unavailable", "template minimal is being built", "template");
      }
      if (!isBuilt) return refusal(404, "not_found", "there is no template minimal");
      alive.add(SANDBOX_ID);
      return { status: 201, body: SANDBOX };
    },
    "GET /v1/sandboxes": () => ({ status: 200, body: [SANDBOX, ENDED, { ...ENDED, deleted_at: NOW }] }),
    [`GET /v1/sandboxes/${SANDBOX_ID}`]: () => ({ status: 200, body: SANDBOX }),
    [`DELETE /v1/sandboxes/${SANDBOX_ID}`]: () => {
      alive.delete(SANDBOX_ID);
      return { status: 204 };
    },
    [`POST /v1/sandboxes/${SANDBOX_ID}/exec`]: ({ json }) => {
      const { cmd, args = [] } = json() as { cmd: string; args?: string[] };
      const { status, stdout, stderr } = spawnSync(cmd, args, { encoding: "utf8" });
      return { status: 200, body: { cmd, stdout, stderr, exit_code: status, encoding: "utf-8" } };
    },
    [`POST /v1/sandboxes/${SANDBOX_ID}/pause`]: () => ({
      status: 200,
      body: { ...SANDBOX, status: "paused" },
    }),
    [`POST /v1/sandboxes/${SANDBOX_ID}/resume`]: ({ body }) =>
      String(body).includes("cold")
        ? { status: 200, body: SANDBOX }
        : refusal(409, "snapshot_incompatible", 'saved by QEMU 8.0; resume it with {"start":"cold"}'),
    [`POST /v1/sandboxes/${SANDBOX_ID}/fork`]: ({ json }) => {
      const { count = 1 } = json() as { count?: number };
      const forks = Array.from({ length: count }, (_, at) => ({ ...SANDBOX, id: `sb-${at}` }));
      return { status: 201, body: forks };
    },
    [`POST /v1/sandboxes/${SANDBOX_ID}/restore`]: () => ({ status: 200, body: SANDBOX }),
    "POST /v1/snapshots": ({ json }) => {
      const { name = "template-1a2b3c4d" } = json() as { name?: string };
      return { status: 201, body: { ...SNAPSHOT, name } };
    },
    "GET /v1/snapshots": () => ({ status: 200, body: [SNAPSHOT] }),
    "DELETE /v1/snapshots/warm": () => ({ status: 204 }),
    "GET /v1/storage": () => ({ status: 200, body: STORAGE }),
    "POST /v1/templates": () => {
      isBuilt = true;
      return { status: 202, body: {} };
    },
    "GET /v1/templates/minimal/build": () => ({
      status: 200,
      body: {
        name: "minimal",
        status: "ready",
        steps: [{ name: "install packages", status: "done", duration_ms: 2500 }],
        started_at: NOW,
        log: [],
        next_offset: 0,
      },
    }),
    "POST /v1/keys": () => ({ status: 201, body: { id: "key-1", name: "ci", key: "wrn_secret" } }),
  };

  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const call = `${request.method} ${request.url?.replace(/\?.*/, "")}`;
    calls.push(call);
    queries.set(call, request.url?.split("?")[1] ?? "");
    if (request.headers["content-type"] === "application/json") bodies.set(call, JSON.parse(String(body)));
    if (request.headers["x-api-key"] !== "wrn_test") {
      return send(response, refusal(401, "unauthorized", "the API key is not valid"));
    }
    if (call.endsWith("/files/stream/write")) return send(response, await writeUpload(request, body));
    if (call.endsWith("/files/stream/read")) return sendFile(response, JSON.parse(String(body)));
    const answer = answers[call]?.({ body, json: () => JSON.parse(String(body)) as never });
    send(response, (answer ?? refusal(404, "not_found", "no such thing")) as Answer);
  });
  server.on("upgrade", (request, socket, head) => {
    calls.push(`STREAM ${request.url}`);
    sockets.handleUpgrade(request, socket, head, serveStream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    bodies,
    queries,
    alive,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

interface Answer {
  status: number;
  body?: unknown;
}

const refusal = (status: number, code: string, message: string, field?: string): Answer => ({
  status,
  body: { error: { code, message, ...(field !== undefined && { field }) } },
});

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function writeUpload(request: IncomingMessage, body: Buffer): Promise<Answer> {
  const headers = { "content-type": request.headers["content-type"] ?? "" };
  const form = await new Response(new Uint8Array(body), { headers }).formData();
  const file = form.get("file");
  if (!(file instanceof Blob)) return refusal(400, "invalid_argument", "file is missing");
  writeFileSync(String(form.get("path")), new Uint8Array(await file.arrayBuffer()));
  return { status: 204 };
}

function sendFile(response: ServerResponse, { path }: { path: string }): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    send(response, refusal(404, "not_found", `${path} does not exist`));
    return;
  }
  response.writeHead(200, { "content-type": "application/octet-stream" }).end(readFileSync(path));
}

type ClientMessage = { type: string; cmd: string; args?: string[]; envs?: object; timeout_sec?: number } & {
  data: string;
  signal: NodeJS.Signals;
};

function serveStream(socket: WebSocket): void {
  const say = (message: object) => socket.send(JSON.stringify(message));
  let child: ChildProcess | undefined;
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString()) as ClientMessage;
    if (message.type === "start") child = start(message, say, socket);
    if (message.type === "stdin") child?.stdin?.write(Buffer.from(message.data, "base64"));
    if (message.type === "stdin_close") child?.stdin?.end();
    if (message.type === "signal") child?.kill(message.signal);
    if (message.type === "stop") child?.kill("SIGKILL");
  });
  socket.on("close", () => child?.kill("SIGKILL"));
}

function start(message: ClientMessage, say: (message: object) => void, socket: WebSocket): ChildProcess {
  const child = spawn(message.cmd, message.args ?? [], { env: { ...process.env, ...message.envs } });
  let timedOut = false;
  const timer =
    message.timeout_sec &&
    setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, message.timeout_sec * 1000);
  child.on("spawn", () => say({ type: "start", pid: child.pid }));
  child.stdin.on("error", () => undefined);
  for (const type of ["stdout", "stderr"] as const) {
    child[type].on("data", (bytes: Buffer) =>
      say({ type, data: bytes.toString("base64"), encoding: "base64" }),
    );
  }
  child.on("error", () => {
    say({ type: "error", data: `${message.cmd} was not found`, code: "command_not_found" });
    socket.close(1000);
  });
  child.on("close", (exit_code, signal) => {
    if (timer) clearTimeout(timer);
    if (child.pid === undefined) return;
    say({ type: "exit", exit_code, ...(timedOut ? { timed_out: true } : signal && { signal }) });
    socket.close(1000);
  });
  return child;
}

/**
 * A command's result without the steps that took a second, whose number is the machine's to say:
 * `wrenn: copying a to b …` and `wrenn: copying a to b: 1.5 s`.
 */
export function quick<R extends { stderr: string }>(result: R): R {
  return { ...result, stderr: result.stderr.replaceAll(/^wrenn: .*(?: …|: \d+\.\d s)\n/gm, "") };
}
