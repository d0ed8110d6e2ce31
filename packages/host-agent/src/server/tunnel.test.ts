import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { pino } from "pino";
import { GuestClient } from "../guest/client.ts";
import { tunnels } from "./tunnel.ts";

const ID = "sb-0123456789abcdef";

describe("tunnels to guest ports", () => {
  let gone: AbortController;
  let visits: number;
  let server: ReturnType<typeof createHttpServer>;
  let guest: Server;
  let accept: (socket: Socket) => void;

  beforeEach(async () => {
    gone = new AbortController();
    visits = 0;
    guest = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      accept(socket);
    });
    guest.listen(0, "127.0.0.1");
    await once(guest, "listening");
    const client = new GuestClient({ host: "127.0.0.1", token: "t" });
    const manager = {
      enter: (id: string) => {
        if (id !== ID) throw new WrennError("not_found", `no sandbox ${id}`);
        visits++;
        return { guest: client, gone: gone.signal, terminals: new Set<number>(), end: () => visits-- };
      },
    };
    server = createHttpServer();
    server.on("upgrade", tunnels(manager, pino({ level: "silent" })));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    guest.close();
  });

  const guestPort = () => (guest.address() as AddressInfo).port;

  function open(path: string): Promise<{ socket: Duplex; head: Buffer } | IncomingMessage> {
    const { port } = server.address() as AddressInfo;
    const headers = { connection: "upgrade", upgrade: "wrenn-tcp" };
    const request = httpRequest({ port, path, headers });
    const { promise, resolve, reject } = Promise.withResolvers<
      { socket: Duplex; head: Buffer } | IncomingMessage
    >();
    request.on("upgrade", (_response, socket, head) => resolve({ socket, head }));
    request.on("response", resolve);
    request.on("error", reject);
    request.end();
    return promise;
  }

  async function opened(): Promise<Duplex> {
    const answer = await open(`/raw/v1/sandboxes/${ID}/ports/${guestPort()}`);
    assert.ok("socket" in answer && "head" in answer, "no tunnel");
    answer.socket.on("error", () => {});
    return answer.socket as Duplex;
  }

  it("carries bytes both ways, and one side's end without ending the other", async () => {
    accept = (socket) => socket.pipe(socket);
    const socket = await opened();
    assert.equal(visits, 1, "an open tunnel is activity");
    socket.end("over and back");
    assert.equal(await text(socket), "over and back");
  });

  it("says what is wrong as JSON: a closed port, an unknown sandbox, another path", async () => {
    accept = () => {};
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    for (const [path, status, code] of [
      [`/raw/v1/sandboxes/${ID}/ports/${port}`, 502, "guest_unreachable"],
      [`/raw/v1/sandboxes/${ID}/ports/49982`, 502, "guest_unreachable"],
      [`/raw/v1/sandboxes/${ID}/ports/0`, 400, "invalid_argument"],
      ["/raw/v1/sandboxes/sb-0000000000000000/ports/80", 404, "not_found"],
      ["/raw/v1/else", 404, "not_found"],
    ] as const) {
      const answer = await open(path);
      assert.ok("statusCode" in answer, path);
      assert.equal(answer.statusCode, status, path);
      assert.equal(JSON.parse(await text(answer)).code, code);
    }
    assert.equal(visits, 0);
  });

  it("breaks off when the sandbox stops running", async () => {
    const accepted = Promise.withResolvers<Socket>();
    accept = accepted.resolve;
    const socket = await opened();
    const inside = await accepted.promise;
    const ended = Promise.all([once(socket, "close"), once(inside, "end")]);
    socket.resume();
    inside.resume();
    inside.once("end", () => inside.end());
    gone.abort();
    await ended;
    assert.equal(visits, 0);
  });

  it("stops reading from the guest when its caller does", async () => {
    let sent = 0;
    accept = (socket) => {
      const chunk = Buffer.alloc(64 * 1024);
      const fill = () => {
        do sent += chunk.length;
        while (socket.write(chunk));
      };
      socket.on("drain", fill);
      fill();
    };
    const socket = await opened();
    await once(socket, "readable");
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.ok(sent < 48 * 1024 * 1024, `${sent} bytes were taken for a reader that reads nothing`);
    socket.destroy();
  });
});
