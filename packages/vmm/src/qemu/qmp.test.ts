import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { QmpClient } from "./qmp.ts";

/** A peer that speaks the protocol's wire format; the real QEMU is met in the end-to-end tests. */
function peer(answer: (command: Record<string, unknown>, socket: Socket) => void): Server {
  return createServer((socket) => {
    socket.on("error", () => {});
    socket.write('{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n');
    createInterface({ input: socket }).on("line", (line) => {
      const command = JSON.parse(line) as Record<string, unknown>;
      if (command["execute"] === "qmp_capabilities")
        socket.write(`{"return": {}, "id": ${command["id"]}}\r\n`);
      else answer(command, socket);
    });
  });
}

describe("QmpClient", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-qmp-"));
  });
  after(() => rm(dir, { recursive: true }));

  it("matches answers to commands, and emits events", async () => {
    const path = join(dir, "a");
    const held: number[] = [];
    const server = peer((command, socket) => {
      held.push(command["id"] as number);
      if (held.length < 2) return;
      socket.write('{"event": "STOP", "data": {"why": 1}}\r\n');
      for (const id of held.reverse()) socket.write(`{"return": {"for": ${id}}, "id": ${id}}\r\n`);
    });
    server.listen(path);
    const client = await QmpClient.connect(path, AbortSignal.timeout(5000));
    const event = new Promise((resolve) => client.once("event", (name, data) => resolve([name, data])));
    const [first, second] = await Promise.all([
      client.execute<{ for: number }>("stop"),
      client.execute<{ for: number }>("cont"),
    ]);
    assert.equal(second.for, first.for + 1);
    assert.deepEqual(await event, ["STOP", { why: 1 }]);
    client.close();
    server.close();
  });

  it("fails commands under way, and later ones, when the connection ends", async () => {
    const path = join(dir, "b");
    const server = peer((_command, socket) => socket.destroy()).listen(path);
    const client = await QmpClient.connect(path, AbortSignal.timeout(5000));
    await assert.rejects(client.execute("stop"), { code: "unavailable" });
    await assert.rejects(client.execute("stop"), { code: "unavailable" });
    server.close();
  });

  it("passes on QEMU's own description of a refusal", async () => {
    const path = join(dir, "c");
    const server = peer((command, socket) => {
      socket.write(
        `{"error": {"class": "GenericError", "desc": "no such device"}, "id": ${command["id"]}}\r\n`,
      );
    }).listen(path);
    const client = await QmpClient.connect(path, AbortSignal.timeout(5000));
    await assert.rejects(client.execute("device_del"), /no such device/);
    client.close();
    server.close();
  });

  it("gives up when told to", async () => {
    await assert.rejects(QmpClient.connect(join(dir, "never"), AbortSignal.timeout(30)));
  });
});
