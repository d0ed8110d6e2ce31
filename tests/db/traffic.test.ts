// The sandbox proxy, in front of ports of this machine's loopback.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { eventually } from "./eventually.ts";
import { type TestService, testService } from "./service.ts";

const PORT = 3000;

describe("traffic to sandboxes", () => {
  let service: TestService;
  let guest: Server;
  let answer: RequestListener;
  let id: string;

  before(async () => {
    service = await testService();
    guest = createServer((request, response) => answer(request, response));
    const sockets = new WebSocketServer({ server: guest });
    sockets.on("connection", (socket) =>
      socket.on("message", (data, binary) => socket.send(data, { binary })),
    );
    guest.listen(0, "127.0.0.1");
    await once(guest, "listening");
    const { port } = guest.address() as AddressInfo;
    service.host.tunnels.ports.set(PORT, port).set(49_983, port);
    id = await service.sandbox();
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    guest.closeAllConnections();
    guest.close();
  });
  beforeEach(() => {
    answer = (request, response) => {
      response.end(`${request.method} ${request.url}`);
    };
  });

  const headersTo = (port = PORT, sandboxId = id) => ({
    "e2b-sandbox-id": sandboxId,
    "e2b-sandbox-port": String(port),
  });
  const send = (path: string, init: RequestInit & { port?: number; id?: string } = {}) =>
    fetch(`${service.url}${path}`, {
      ...init,
      headers: { ...headersTo(init.port, init.id), ...(init.headers as Record<string, string>) },
    });
  /** By host name. */
  async function get(host: string, path: string): Promise<[number, string]> {
    const { hostname, port } = new URL(service.url);
    const request = httpRequest({ hostname, port, path, headers: { host } }).end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return [response.statusCode ?? 0, await text(response)];
  }

  it("goes by headers and by host name, whatever the path is", async () => {
    assert.equal(await (await send("/v1/sandboxes?x=1")).text(), "GET /v1/sandboxes?x=1");
    assert.deepEqual(await get(`${PORT}-${id}.example.com:80`, "/health"), [200, "GET /health"]);
    assert.equal(
      (await fetch(`${service.url}/health`)).headers.get("content-type")?.split(";")[0],
      "application/json",
    );
  });

  it("tells where a port is reached", async () => {
    const { body } = await service.call("GET", `/v1/sandboxes/${id}/ports/${PORT}`);
    const { host } = new URL(body.url);
    assert.equal(host, `${PORT}-${id}.localhost:${new URL(service.url).port}`);
    assert.deepEqual(await get(host, "/x"), [200, "GET /x"]);
    for (const port of ["0", "99999", "x"]) {
      assert.equal((await service.call("GET", `/v1/sandboxes/${id}/ports/${port}`)).status, 404, port);
    }
  });

  it("passes method, body, status and headers on, and keeps the platform's key to itself", async () => {
    answer = async (request, response) => {
      response.writeHead(418, { "x-seen": JSON.stringify(request.headers), "set-cookie": ["a=1", "b=2"] });
      response.end(`${request.method} ${await text(request)}`);
    };
    const response = await send("/p", {
      method: "PUT",
      body: "héllo",
      headers: { "x-api-key": service.key },
    });
    assert.equal(response.status, 418);
    assert.equal(await response.text(), "PUT héllo");
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    const seen = JSON.parse(response.headers.get("x-seen") ?? "");
    assert.equal(seen["x-api-key"], undefined);
    assert.equal(seen["x-forwarded-proto"], "http");
    assert.equal(seen["content-length"], "6");
  });

  it("passes each piece on as it comes, in both directions", async () => {
    answer = async (request, response) => {
      for await (const chunk of request) response.write(`<${chunk}>`);
      response.end();
    };
    const { hostname, port } = new URL(service.url);
    const request = httpRequest({ hostname, port, method: "POST", headers: headersTo() });
    request.write("one");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.setEncoding("utf8");
    for (const piece of ["one", "two"]) {
      if (piece === "two") request.write(piece);
      assert.equal((await once(response, "data"))[0], `<${piece}>`);
    }
    request.end();
    await once(response, "end");
  });

  it("makes a fast guest wait for a slow client", async () => {
    let sent = 0;
    answer = (_request, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const fill = () => {
        do sent += chunk.length;
        while (response.write(chunk));
      };
      response.on("drain", fill);
      fill();
    };
    const { hostname, port } = new URL(service.url);
    const request = httpRequest({ hostname, port, headers: headersTo() }).end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.pause();
    let before = -1;
    while (sent === 0 || before !== sent) {
      before = sent;
      await delay(200);
    }
    assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes for a client that reads nothing`);
    response.destroy();
  });

  it("ends the guest's request when the client goes away", async () => {
    const left = Promise.withResolvers<void>();
    const came = Promise.withResolvers<void>();
    answer = (_request: IncomingMessage, response: ServerResponse) => {
      response.on("close", left.resolve);
      came.resolve();
    };
    const controller = new AbortController();
    const pending = send("/", { signal: controller.signal });
    await came.promise;
    controller.abort();
    await assert.rejects(pending);
    await left.promise;
  });

  it("carries WebSockets", async () => {
    const socket = new WebSocket(`${service.url.replace("http", "ws")}/ws`, { headers: headersTo() });
    await once(socket, "open");
    socket.send("ping");
    assert.equal(String((await once(socket, "message"))[0]), "ping");
    socket.close();
    await once(socket, "close");
    const closed = new WebSocket(service.url.replace("http", "ws"), { headers: headersTo(4) });
    const [, response] = (await once(closed, "unexpected-response")) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 502);
    response.destroy();
  });

  it("says in the words that clients know that a port is closed or no sandbox runs", async () => {
    const closed = await send("/", { port: 81 });
    assert.equal(closed.status, 502);
    assert.deepEqual(await closed.json(), {
      sandboxId: id,
      message: "The sandbox is running but port is not open",
      port: 81,
      code: 502,
    });
    const gone = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${gone}`);
    const paused = await service.sandbox();
    await service.call("POST", `/v1/sandboxes/${paused}/pause`);
    for (const unknown of ["sb-0000000000000000", "nonsense", gone, paused]) {
      const response = await send("/", { id: unknown });
      assert.equal(response.status, 502);
      const message = "The sandbox was not found";
      assert.deepEqual(await response.json(), { sandboxId: unknown, message, code: 502 });
    }
    const html = await send("/", { port: 81, headers: { accept: "text/html" } });
    assert.match(html.headers.get("content-type") ?? "", /^text\/html/);
    assert.equal((await send("/", { port: 0 })).status, 400);
  });

  it("learns from the host that a sandbox no longer runs", async () => {
    const lost = await service.sandbox();
    service.host.sandboxes.delete(lost);
    assert.equal((await send("/", { id: lost })).status, 502);
    const moved = await service.sandbox();
    (service.host.sandboxes.get(moved) as { status: string }).status = "stopped";
    assert.equal((await send("/", { id: moved })).status, 502);
  });

  it("hides what the platform runs a guest with", async () => {
    assert.equal(await (await send("/health", { port: 49_983 })).text(), "GET /health");
    for (const path of ["/init", "/quiesce", "/unquiesce", "/freeze", "//init", "/x/../init"]) {
      const response = await send(path, { port: 49_983, method: "POST" });
      assert.equal(response.status, 404, path);
      assert.equal((await response.json()).code, 404);
    }
  });

  it("uses a connection to the agent again, and none to other ports", async () => {
    const opened = service.host.tunnels.opened;
    for (let i = 0; i < 3; i++) await (await send("/health", { port: 49_983 })).text();
    assert.ok(service.host.tunnels.opened <= opened + 1);
    for (let i = 0; i < 3; i++) await (await send("/")).text();
    assert.ok(service.host.tunnels.opened >= opened + 3);
    await Promise.all(
      Array.from({ length: 40 }, async () => (await send("/health", { port: 49_983 })).text()),
    );
    await eventually(async () => service.host.tunnels.open === 0 || undefined);
  });

  it("breaks off what is under way when the sandbox's connections break", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
    };
    const response = await send("/");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    service.host.tunnels.breakAll();
    await assert.rejects(reader.read());
  });

  it("asks for a token where the sandbox wants one, except at the agent's port", async () => {
    const guarded = await service.sandbox();
    await service.database.db
      .updateTable("sandboxes")
      .set({ traffic_token: "secret" })
      .where("id", "=", guarded)
      .execute();
    const token = (value: string) => ({ "e2b-traffic-access-token": value });
    assert.equal((await send("/", { id: guarded })).status, 403);
    assert.equal((await send("/", { id: guarded, headers: token("other") })).status, 403);
    assert.equal((await send("/", { id: guarded, headers: token("secret") })).status, 200);
    assert.equal((await send("/health", { id: guarded, port: 49_983 })).status, 200);
  });

  it("wakes a paused sandbox once for all requests that come, where it was asked to", async () => {
    const sleeper = await service.sandbox({ timeout_sec: 60 });
    await service.database.db
      .updateTable("sandboxes")
      .set({ auto_resume: true })
      .where("id", "=", sleeper)
      .execute();
    assert.equal((await service.call("POST", `/v1/sandboxes/${sleeper}/pause`)).status, 200);
    const resumes = service.host.callsOf("resumeSandbox").length;
    const answers = await Promise.all([1, 2, 3].map(() => send("/", { id: sleeper })));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(service.host.callsOf("resumeSandbox").length, resumes + 1);
    const { body } = await service.call("GET", `/v1/sandboxes/${sleeper}`);
    assert.equal(body.timeout_sec, 300);
  });
});
