import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { QmpSession } from "./session.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\n';

/** Accepts capabilities and leaves the rest to `answer`. */
function peer(answer: (command: { execute: string; id: number }, socket: Socket) => void): Server {
  return createServer((socket) => {
    socket.on("error", () => {});
    socket.write(GREETING);
    const lines = createInterface({ input: socket }).on("error", () => {});
    lines.on("line", (line) => {
      const command = JSON.parse(line) as { execute: string; id: number };
      if (command.execute === "qmp_capabilities") socket.write(`{"return": {}, "id": ${command.id}}\n`);
      else answer(command, socket);
    });
  });
}

describe("QmpSession", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-session-"));
  });
  after(() => rm(dir, { recursive: true }));

  async function serve(name: string, server: Server): Promise<string> {
    const path = join(dir, name);
    server.listen(path);
    await once(server, "listening");
    return path;
  }

  it("connects anew to a machine that lives, and still passes on events", async () => {
    const server = peer((command, socket) => {
      if (command.execute === "hang-up") socket.destroy();
      else socket.write(`{"event": "SEEN", "data": {}}\n{"return": {}, "id": ${command.id}}\n`);
    });
    const session = new QmpSession({ path: await serve("lives", server), isAlive: () => true });
    const closed = once(session, "close");
    await assert.rejects(session.execute("hang-up"), { code: "unavailable" });
    await closed;
    await once(server, "connection");
    const event = once(session, "event");
    await session.execute("stop");
    assert.deepEqual(await event, ["SEEN", {}]);
    session.close();
    server.close();
  });

  it("does not connect to one that has ended", async () => {
    let connections = 0;
    const server = peer((_command, socket) => socket.destroy()).on("connection", () => connections++);
    let looked = Promise.withResolvers<void>();
    const isAlive = () => {
      looked.resolve();
      return false;
    };
    const session = new QmpSession({ path: await serve("ended", server), isAlive });
    looked = Promise.withResolvers<void>();
    await assert.rejects(session.execute("stop"), { code: "unavailable" });
    await looked.promise;
    await assert.rejects(session.execute("stop"), { code: "unavailable" });
    assert.equal(connections, 1);
    session.close();
    server.close();
  });

  it("does not wait for ever: neither for an answer nor for a greeting", async () => {
    const open: Socket[] = [];
    const silent = createServer((socket) => open.push(socket));
    const mute = peer((_command, socket) => open.push(socket));
    for (const [name, server] of Object.entries({ silent, mute })) {
      const session = new QmpSession({ path: await serve(name, server), isAlive: () => true });
      const stopped = session.execute("stop", undefined, { timeoutMs: 50 });
      await assert.rejects(stopped, { code: "deadline_exceeded" });
      session.close();
    }
    for (const socket of open) socket.destroy();
    silent.close();
    mute.close();
  });

  it("hangs up on a peer whose message has no end", async () => {
    const server = peer((_command, socket) => {
      const more = () => {
        while (socket.write("x".repeat(65_536)));
      };
      socket.on("drain", more);
      more();
    });
    const session = new QmpSession({ path: await serve("endless", server), isAlive: () => false });
    await assert.rejects(session.execute("stop"), { code: "unavailable" });
    session.close();
    server.close();
  });
});
