// Both ends against each other, and each against connect-node: they must not be told apart.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { Pool } from "undici";
import { Process, Signal } from "../envd.ts";
import { unaryClient } from "./client.ts";
import { type Methods, unaryServer } from "./server.ts";

const MAX_BYTES = 64 * 1024;

/** What the methods of the service have seen of the last call. */
const seen: { requestId: string; aborted: Promise<Error> | undefined } = {
  requestId: "",
  aborted: undefined,
};

const METHODS: Partial<Methods<typeof Process>> = {
  list: (_, call) => {
    seen.requestId = call.requestHeader.get("X-Request-Id") ?? "";
    return { processes: [{ pid: 7, config: { cmd: "é".repeat(100) } }] };
  },
  sendSignal: ({ signal }) => {
    if (signal === Signal.SIGTERM) throw new Error("a secret");
    throw new ConnectError("no such process: é", Code.NotFound, new Headers({ "wrenn-code": "not_found" }));
  },
  closeStdin: async (_, { signal }) => {
    seen.aborted = once(signal, "abort").then(() => signal.reason as Error);
    throw await seen.aborted;
  },
  sendInput: ({ input }) => {
    assert.equal(input?.input.case, "stdin");
    return {};
  },
};

const short = unaryServer({ maxBytes: MAX_BYTES, around: (_, run) => run() });
short.service(Process, METHODS);
const adapter = connectNodeAdapter({
  routes: (router) => router.service(Process, METHODS),
  readMaxBytes: MAX_BYTES,
});
const SERVERS: Record<string, RequestListener> = {
  "the short server": (request, response) => {
    if (!short.handle(request, response)) response.writeHead(418).end();
  },
  "connect-node's server": adapter,
};

/** Connections of the two clients, one at most each. */
interface Pools {
  agent: Agent;
  /** By port. */
  undici: Map<number, Pool>;
}

function poolTo(port: number, { undici }: Pools): Pool {
  const pool = undici.get(port) ?? new Pool(`http://127.0.0.1:${port}`, { connections: 1 });
  undici.set(port, pool);
  return pool;
}

const CLIENTS: Record<string, (port: number, pools: Pools) => Transport["unary"]> = {
  "the short client": (port, pools) => unaryClient({ maxBytes: MAX_BYTES, dispatcher: poolTo(port, pools) }),
  "connect-node's client": (port, { agent }) =>
    createConnectTransport({
      baseUrl: `http://127.0.0.1:${port}`,
      httpVersion: "1.1",
      useBinaryFormat: true,
      acceptCompression: [],
      readMaxBytes: MAX_BYTES,
      nodeOptions: { agent },
    }).unary,
};

for (const [serverName, listener] of Object.entries(SERVERS)) {
  for (const [clientName, unaryOf] of Object.entries(CLIENTS)) {
    describe(`${clientName} with ${serverName}`, () => {
      let server: Server;
      let client: Client<typeof Process>;
      const pools: Pools = { agent: new Agent({ keepAlive: true, maxSockets: 1 }), undici: new Map() };

      before(async () => {
        server = createServer(listener).listen(0, "127.0.0.1");
        await once(server, "listening");
        const unary = unaryOf((server.address() as AddressInfo).port, pools);
        const stream: Transport["stream"] = () => assert.fail("not a stream");
        client = createClient(Process, { unary, stream });
      });

      after(async () => {
        pools.agent.destroy();
        for (const pool of pools.undici.values()) await pool.destroy();
        server.close();
      });

      it("takes a message there and back, with a header, over one connection", async () => {
        for (const id of ["a", "b"]) {
          const { processes } = await client.list({}, { headers: { "x-request-id": id } });
          assert.equal(processes[0]?.pid, 7);
          assert.equal(processes[0]?.config?.cmd, "é".repeat(100));
          assert.equal(seen.requestId, id);
        }
        const connections = await new Promise((resolve) =>
          server.getConnections((_, count) => resolve(count)),
        );
        assert.equal(connections, 1);
      });

      it("brings an error with its code, text and metadata", async () => {
        await assert.rejects(client.sendSignal({ signal: Signal.SIGKILL }), (error: ConnectError) => {
          assert.equal(error.code, Code.NotFound);
          assert.equal(error.rawMessage, "no such process: é");
          assert.equal(error.metadata.get("wrenn-code"), "not_found");
          return true;
        });
      });

      it("says nothing about an error that was not meant for the caller", async () => {
        await assert.rejects(client.sendSignal({ signal: Signal.SIGTERM }), (error: ConnectError) => {
          assert.equal(error.code, Code.Internal);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        });
      });

      it("ends a call at its deadline, at both ends", async () => {
        const call = client.closeStdin({}, { timeoutMs: 50 });
        await assert.rejects(call, { code: Code.DeadlineExceeded });
        assert.ok((await seen.aborted) instanceof Error);
      });

      it("tells the method when the caller leaves", async () => {
        const controller = new AbortController();
        seen.aborted = undefined;
        const called = () => seen.aborted as Promise<Error> | undefined;
        const call = client.closeStdin({}, { signal: controller.signal });
        const refused = assert.rejects(call, { code: Code.Canceled });
        while (called() === undefined) await new Promise(setImmediate);
        controller.abort();
        await refused;
        assert.ok((await called()) instanceof Error);
      });

      it("refuses a message beyond the bound, and goes on", async () => {
        const input = { input: { case: "stdin" as const, value: new Uint8Array(MAX_BYTES) } };
        await assert.rejects(client.sendInput({ input }), { code: Code.ResourceExhausted });
        const smaller = { input: { case: "stdin" as const, value: new Uint8Array(MAX_BYTES / 2) } };
        await client.sendInput({ input: smaller });
      });

      it("is unavailable when nobody listens", async () => {
        const nowhere = unaryOf(1, pools);
        const lost = createClient(Process, { unary: nowhere, stream: () => assert.fail() });
        await assert.rejects(lost.list({}), { code: Code.Unavailable });
      });
    });
  }
}

describe("the short server", () => {
  it("leaves what is not a plain binary call of a method it has to others", async () => {
    const listener = SERVERS["the short server"] as RequestListener;
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/process.Process`;
    const proto = { "content-type": "application/proto" };
    const post = (path: string, headers: Record<string, string>) =>
      fetch(url + path, { method: "POST", headers, body: "" }).then(({ status }) => status);
    assert.equal(await post("/List", proto), 200);
    assert.equal(await post("/List", { "content-type": "application/json" }), 418);
    assert.equal(await post("/List", { ...proto, "content-encoding": "gzip" }), 418);
    assert.equal(await post("/Start", proto), 418);
    assert.equal(await post("/Update", proto), 418);
    server.close();
  });

  it("refuses bytes that are no message, and a deadline that is no time", async () => {
    const server = createServer(SERVERS["the short server"]).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/process.Process/SendSignal`;
    const headers = { "content-type": "application/proto" };
    const bad = await fetch(url, { method: "POST", headers, body: new Uint8Array([0xff, 0xff]) });
    assert.equal(bad.status, 400);
    assert.equal(((await bad.json()) as { code: string }).code, "invalid_argument");
    const late = await fetch(url, { method: "POST", headers: { ...headers, "connect-timeout-ms": "soon" } });
    assert.equal(late.status, 400);
    await late.body?.cancel();
    server.close();
  });
});
