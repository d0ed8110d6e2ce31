import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";

describe("the gateway to loopback ports", () => {
  let envd: RunningEnvd;
  let gateway: number;
  before(async () => {
    envd = await RunningEnvd.start();
    gateway = await gatewayPort(envd);
  });
  after(() => envd[Symbol.asyncDispose]());

  it("connects to a port that listens on loopback only, and passes each end's end on", async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    const caller = call(gateway, `${TOKEN} ${(echo.address() as AddressInfo).port}\nfirst `);
    caller.end("last");
    assert.equal(await text(caller), "ok\nfirst last");
    echo.close();
  });

  it("reaches a program that listens on ::1", async () => {
    const server = createServer((socket) => socket.end("six"));
    server.listen(0, "::1");
    await once(server, "listening");
    assert.equal(
      await text(call(gateway, `${TOKEN} ${(server.address() as AddressInfo).port}\n`)),
      "ok\nsix",
    );
    server.close();
  });

  it("refuses a closed port, and says nothing to a caller without the token", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await text(call(gateway, `${TOKEN} ${port}\n`)), "refused\n");
    for (const greeting of [`${"1".repeat(64)} ${port}\n`, `${port}\n`, "x".repeat(4000)]) {
      assert.equal(await text(call(gateway, greeting)).catch(() => ""), "");
    }
  });

  it("ends its connections on both sides when those of another time are dropped", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const caller = call(gateway, `${TOKEN} ${(server.address() as AddressInfo).port}\n`);
    const [[inside]] = (await Promise.all([once(server, "connection"), once(caller, "data")])) as [
      [Socket],
      unknown,
    ];
    inside.resume();
    const ended = Promise.all([once(inside, "close"), text(caller).catch(() => "")]);
    assert.equal((await envd.init({ dropConnections: true }, TOKEN)).status, 200);
    await ended;
    server.close();
  });

  it("stops reading from a program when its caller does", async () => {
    const chunk = Buffer.alloc(64 * 1024);
    let sent = 0;
    const server = createServer((socket) => {
      const fill = () => {
        while (socket.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      socket.on("drain", fill);
      socket.on("error", () => {});
      fill();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const caller = call(gateway, `${TOKEN} ${(server.address() as AddressInfo).port}\n`);
    await once(caller, "readable");
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(sent < 48 * 1024 * 1024, `${sent} bytes were taken for a reader that reads nothing`);
    caller.destroy();
    server.close();
  });
});

function call(port: number, greeting: string): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write(greeting);
  return socket;
}

async function gatewayPort(envd: RunningEnvd): Promise<number> {
  const deadline = Date.now() + 5_000;
  while (Date.now() < deadline) {
    for (const line of envd.log) {
      const entry = JSON.parse(line) as { gateway?: number };
      if (entry.gateway !== undefined) return entry.gateway;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("the agent has no gateway");
}
