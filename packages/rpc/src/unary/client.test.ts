// The calling end's connections: which are used, and what becomes of those that nobody needs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { Process } from "../envd.ts";
import { type UnaryClientOptions, unaryClient } from "./client.ts";
import { unaryServer } from "./server.ts";

const MAX_BYTES = 64 * 1024;

describe("the connections of a unary client", () => {
  let server: Server;
  let timeout: string | null;
  /** The serving ends. */
  let accepted: Socket[];
  let opened: { client: Client<typeof Process>; close(): void }[];

  beforeEach(async () => {
    accepted = [];
    opened = [];
    const unary = unaryServer({ maxBytes: MAX_BYTES, around: (_, run) => run() });
    unary.service(Process, {
      list: (_, call) => {
        timeout = call.requestHeader.get("timeout-ms");
        return {};
      },
    });
    server = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket);
      unary.accept(socket);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  afterEach(() => {
    for (const { close } of opened) close();
    for (const socket of accepted) socket.destroy();
    server.close();
  });

  function open(connect: UnaryClientOptions["connect"]) {
    const calls = unaryClient({ maxBytes: MAX_BYTES, connect });
    const client = createClient(Process, { unary: calls.unary, stream: () => assert.fail("not a stream") });
    const made = { client, close: () => calls.close() };
    opened.push(made);
    return made;
  }

  async function dial(): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }

  it("are not used from the moment that the other side has ended them", async () => {
    let second: Promise<unknown> | undefined;
    const { client } = open(async () => {
      const socket = await dial();
      socket.once("end", () => {
        second = client.list({});
        second.catch(() => undefined);
      });
      return socket;
    });
    await client.list({});
    const [first] = accepted;
    assert.ok(first);
    first.end();
    await once(first, "close");
    await second;
    assert.equal(accepted.length, 2);
  });

  it("are closed when the other side says what nobody has asked for", async () => {
    const { client } = open(dial);
    await client.list({});
    const [first] = accepted;
    assert.ok(first);
    // The beginning of an answer, which the next call would continue.
    first.write(Uint8Array.of(0, 0, 0));
    await once(first, "close");
    await client.list({});
    assert.equal(accepted.length, 2);
  });

  it("are not waited for longer than the call that needs one", async () => {
    let attempt: AbortSignal | undefined;
    const { client } = open(async (signal) => {
      attempt = signal;
      await once(signal, "abort");
      throw signal.reason;
    });
    await assert.rejects(client.list({}, { timeoutMs: 20 }), { code: Code.DeadlineExceeded });
    assert.equal(attempt?.aborted, true);
  });

  it("are not made any more once the client is closed", async () => {
    let attempt: AbortSignal | undefined;
    const { client, close } = open((signal) => {
      attempt = signal;
      return new Promise(() => undefined);
    });
    const call = client.list({});
    close();
    await assert.rejects(call, { code: Code.Unavailable });
    assert.equal(attempt?.aborted, true);
  });

  it("carry deadlines in whole milliseconds that a timer can take", async () => {
    const { client } = open(dial);
    for (const [timeoutMs, sent] of [
      [1100.0000000000002, "1101"],
      [1e12, "2147483647"],
    ] as const) {
      await client.list({}, { timeoutMs });
      assert.equal(timeout, sent);
    }
  });
});

it("a server that was closed takes no further connection", () => {
  const unary = unaryServer({ maxBytes: MAX_BYTES, around: (_, run) => run() });
  unary.close();
  const late = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  unary.accept(late);
  assert.equal(late.destroyed, true);
});
