// Both ends against each other; what a caller sees must be what connect-node shows.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer as createHttpServer } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { after, before, describe, it } from "node:test";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { Process, Signal } from "../envd.ts";
import { unaryClient } from "./client.ts";
import { callFrame, ERROR, MESSAGE, parseAnswer } from "./frame.ts";
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

const unary = unaryServer({ maxBytes: MAX_BYTES, around: (_, run) => run() });
unary.service(Process, METHODS);
const adapter = connectNodeAdapter({
  routes: (router) => router.service(Process, METHODS),
  readMaxBytes: MAX_BYTES,
});

interface Caller {
  unary: Transport["unary"];
  close(): void;
}

const PAIRS: Record<string, { serve: () => Server; call: (port: number) => Caller }> = {
  frames: {
    serve: () => createTcpServer({ allowHalfOpen: true }, (socket) => unary.accept(socket)),
    call: (port) => unaryClient({ maxBytes: MAX_BYTES, connect: () => dial(port) }),
  },
  "connect-node": {
    serve: () => createHttpServer(adapter),
    call(port) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const { unary } = createConnectTransport({
        baseUrl: `http://127.0.0.1:${port}`,
        httpVersion: "1.1",
        useBinaryFormat: true,
        acceptCompression: [],
        readMaxBytes: MAX_BYTES,
        nodeOptions: { agent },
      });
      return { unary, close: () => agent.destroy() };
    },
  },
};

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

for (const [name, { serve, call }] of Object.entries(PAIRS)) {
  describe(`unary calls by ${name}`, () => {
    let server: Server;
    let caller: Caller;
    let client: Client<typeof Process>;

    before(async () => {
      server = serve().listen(0, "127.0.0.1");
      await once(server, "listening");
      caller = call((server.address() as AddressInfo).port);
      const stream: Transport["stream"] = () => assert.fail("not a stream");
      client = createClient(Process, { unary: caller.unary, stream });
    });

    after(() => {
      caller.close();
      server.close();
    });

    it("takes a message there and back, with a header, over one connection", async () => {
      for (const id of ["a", "b"]) {
        const { processes } = await client.list({}, { headers: { "x-request-id": id } });
        assert.equal(processes[0]?.pid, 7);
        assert.equal(processes[0]?.config?.cmd, "é".repeat(100));
        assert.equal(seen.requestId, id);
      }
      const connections = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
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
      seen.aborted = undefined;
      const called = () => seen.aborted;
      // On a busy machine a short one has passed before the other end has read the call.
      for (let timeoutMs = 50; called() === undefined; timeoutMs *= 2) {
        await assert.rejects(client.closeStdin({}, { timeoutMs }), { code: Code.DeadlineExceeded });
      }
      assert.ok((await called()) instanceof Error);
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
      const nowhere = call(1);
      const lost = createClient(Process, { unary: nowhere.unary, stream: () => assert.fail() });
      await assert.rejects(lost.list({}), { code: Code.Unavailable });
      nowhere.close();
    });
  });
}

describe("frames", () => {
  let server: Server;
  let port: number;

  before(async () => {
    server = createTcpServer({ allowHalfOpen: true }, (socket) => unary.accept(socket)).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });

  after(() => {
    unary.close();
    server.close();
  });

  /** Sends bytes as they are; what is answered until the server closes or has answered once. */
  async function send(...pieces: Uint8Array[]): Promise<Buffer | "closed"> {
    const socket = await dial(port);
    socket.setNoDelay(true);
    const closed = once(socket, "close").then(() => "closed" as const);
    const answered = once(socket, "data").then(([data]) => data as Buffer);
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise(setImmediate);
    }
    const answer = await Promise.race([answered, closed]);
    socket.destroy();
    return answer;
  }

  function errorIn(answer: Buffer | "closed"): { code: string; message: string } {
    assert.notEqual(answer, "closed");
    const { kind, body } = parseAnswer((answer as Buffer).subarray(4));
    assert.equal(kind, ERROR);
    return JSON.parse(body.toString()) as { code: string; message: string };
  }

  const list = callFrame("process.Process/List", [], new Uint8Array());

  it("takes a call byte by byte", async () => {
    const answer = await send(...[...list].map((byte) => Uint8Array.of(byte)));
    assert.equal(parseAnswer((answer as Buffer).subarray(4)).kind, MESSAGE);
  });

  it("refuses bytes that are no message, a deadline that is no time, and a method that is not there", async () => {
    const bad = callFrame("process.Process/SendSignal", [], Uint8Array.of(0xff, 0xff));
    assert.equal(errorIn(await send(bad)).code, "invalid_argument");
    const late = callFrame("process.Process/List", [["timeout-ms", "soon"]], new Uint8Array());
    assert.match(errorIn(await send(late)).message, /timeout-ms/);
    const stream = callFrame("process.Process/Start", [], new Uint8Array());
    assert.equal(errorIn(await send(stream)).code, "unimplemented");
  });

  it("closes a connection that says what is no call, or speaks out of turn", async () => {
    assert.equal(await send(Buffer.from("GET / HTTP/1.1\r\n\r\n")).then(errorOrClosed), "resource_exhausted");
    assert.equal(await send(Uint8Array.of(0, 0, 0, 1, 9)), "closed");
    assert.equal(await send(Uint8Array.of(0, 0, 0, 4, 0, 9, 65, 65)), "closed");
    assert.equal(await send(Buffer.concat([list, list])), "closed");
  });

  function errorOrClosed(answer: Buffer | "closed"): string {
    return answer === "closed" ? answer : errorIn(answer).code;
  }

  it("fails a call whose connection ends before its answer, and uses another for the next", async () => {
    let made = 0;
    const calls = unaryClient({
      maxBytes: MAX_BYTES,
      connect: async () => {
        const socket = await dial(port);
        if (made++ === 0) socket.end();
        return socket;
      },
    });
    const client = createClient(Process, { unary: calls.unary, stream: () => assert.fail() });
    await assert.rejects(client.list({}), { code: Code.Unavailable });
    await client.list({});
    await client.list({});
    assert.equal(made, 2);
    calls.close();
    await assert.rejects(client.list({}), { code: Code.Unavailable });
  });

  it("makes a connection for each call at a time", async () => {
    let made = 0;
    const connect = () => {
      made += 1;
      return dial(port);
    };
    const calls = unaryClient({ maxBytes: MAX_BYTES, connect });
    const client = createClient(Process, { unary: calls.unary, stream: () => assert.fail() });
    await Promise.all([client.list({}), client.list({}), client.list({})]);
    await Promise.all([client.list({}), client.list({})]);
    assert.equal(made, 3);
    calls.close();
  });

  it("refuses an answer beyond the client's bound", async () => {
    const calls = unaryClient({ maxBytes: 64, connect: () => dial(port) });
    const client = createClient(Process, { unary: calls.unary, stream: () => assert.fail() });
    await assert.rejects(client.list({}), { code: Code.ResourceExhausted });
    calls.close();
  });
});
