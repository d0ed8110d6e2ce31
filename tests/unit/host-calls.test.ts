// Calls of a control plane over the Unix socket of its host agent: what is known after they broke, and what they leave.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import type { WrennError } from "@wrenn/core";
import { pino } from "pino";
import { openEndpoint } from "../../packages/control-plane/src/hosts/endpoint.ts";
import { wasNeverSent } from "../../packages/control-plane/src/hosts/errors.ts";
import { HostClient } from "../../packages/control-plane/src/hosts/host-client.ts";
import { openTunnel } from "../../packages/control-plane/src/hosts/tunnel.ts";
import { listenOnSocket } from "../../packages/host-agent/src/server/listen.ts";
import type { ServiceContext } from "../../packages/host-agent/src/server/rpc.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-calls-"));
const path = join(dir, "agent.sock");
const CALL = { attempted: "trying", requestId: "r", timeoutMs: 30_000 };
const log = pino({ level: "silent" });

/** A manager whose one guest has the port that `guest` listens on. */
function withGuest(guest: ReturnType<typeof createServer>): ServiceContext {
  const connect = async () => {
    const socket = dial((guest.address() as { port: number }).port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };
  const entry = { guest: { connect }, gone: new AbortController().signal, end: () => undefined };
  return { manager: { enter: () => entry } } as unknown as ServiceContext;
}

function hostClient(): HostClient {
  return new HostClient(openEndpoint(`unix:${path}`, undefined), () => undefined);
}

describe("calls to a host agent", { timeout: 60_000 }, () => {
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("do not count as never sent when the host ends under them", async () => {
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<never>();
    const manager = {
      use: () => {
        reached.resolve();
        return answer.promise;
      },
    };
    const stop = await listenOnSocket({ manager } as unknown as ServiceContext, {
      path,
      owner: process.getuid?.() ?? 0,
      log,
    });
    const client = hostClient();
    const call = client.call("readFile", { sandboxId: "sb-1", path: "/file" }, CALL);
    const broken = assert.rejects(call, (error: WrennError) => {
      assert.equal(error.code, "unavailable");
      assert.equal(wasNeverSent(error), false);
      return true;
    });
    await reached.promise;
    await stop();
    await broken;
    answer.reject(new Error("nobody waits any more"));
    client.close();
  });

  it("leave no connections behind when a host accepts and is silent", async () => {
    const server = createServer().listen(path);
    await once(server, "listening");
    const client = hostClient();
    const givenUp = new AbortController();
    const call = client.rpc.readFile({ sandboxId: "sb-1", path: "/file" }, { signal: givenUp.signal });
    const refused = assert.rejects(call, { code: Code.Canceled });
    const [socket] = (await once(server, "connection")) as [Socket];
    const closed = once(socket.on("error", () => undefined).resume(), "close");
    givenUp.abort();
    await Promise.all([refused, closed]);
    client.close();
    server.close();
  });

  it("do not keep a host from stopping, nor does an open tunnel", async () => {
    const guest = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(guest, "listening");
    const stop = await listenOnSocket(withGuest(guest), { path, owner: process.getuid?.() ?? 0, log });
    const client = hostClient();
    const tunnel = await openTunnel(client, { sandboxId: "sb-1", port: 80, requestId: "r" });
    tunnel.on("error", () => undefined).resume();
    const closed = once(tunnel, "close");
    await stop();
    await closed;
    client.close();
    guest.close();
  });
});
