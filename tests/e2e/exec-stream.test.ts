import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";
import { pidsOf } from "./processes.ts";
import { untilStatus } from "./until-status.ts";

const MIB = 1024 * 1024;

describe("streaming exec over the WebSocket", () => {
  let platform: Platform;
  let id = "";
  before(async () => {
    platform = await borrowPlatform();
    id = (await platform.sandbox()).id;
  });
  after(() => platform?.stop());

  const stream = (cmd: string, args: string[] = [], more = {}) =>
    platform.client.sandboxes.execStream(id, { cmd, args, ...more });

  async function collect(output: AsyncIterable<{ type: string; data: Uint8Array }>): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const { data } of output) chunks.push(data);
    return Buffer.concat(chunks).toString();
  }

  it("delivers output as it comes, then the exit code", async () => {
    const running = await stream("bash", ["-c", "echo first; read line; echo got $line; exit 4"]);
    assert.ok(running.pid > 1);
    const output = running[Symbol.asyncIterator]();
    const first = await output.next();
    assert.equal(Buffer.from((first.value as { data: Uint8Array }).data).toString(), "first\n");
    await running.writeStdin("something\n");
    const second = await output.next();
    assert.equal(Buffer.from((second.value as { data: Uint8Array }).data).toString(), "got something\n");
    assert.deepEqual(await running.wait(), { exitCode: 4 });
  });

  it("delivers 100 MiB complete and in order to a slow reader, with bounded memory on the way", async () => {
    // A counter of 8 digits on each line of 9 bytes: any loss, repetition or swap changes the hash.
    const first = 10_000_000;
    const lines = Math.floor((100 * MIB) / 9);
    const running = await stream("seq", [String(first), String(first + lines - 1)]);
    const hash = createHash("sha256");
    let size = 0;
    let peak = 0;
    const before = platformRss(platform.block);
    for await (const { data } of running) {
      hash.update(data);
      const slow = Math.floor(size / (4 * MIB)) !== Math.floor((size + data.length) / (4 * MIB));
      size += data.length;
      // Every 4 MiB the reader stands still: the queues behind it fill, and must not grow beyond their bounds.
      if (slow) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        peak = Math.max(peak, platformRss(platform.block) - before);
      }
    }
    assert.deepEqual(await running.wait(), { exitCode: 0 });
    const expected = createHash("sha256");
    for (let i = 0; i < lines; i += 65_536) {
      const block = Array.from({ length: Math.min(65_536, lines - i) }, (_, j) => `${first + i + j}\n`);
      expected.update(block.join(""));
    }
    assert.equal(size, lines * 9);
    assert.equal(hash.digest("hex"), expected.digest("hex"));
    assert.ok(peak < 96 * MIB, `the platform grew by ${Math.round(peak / MIB)} MiB`);
  });

  it("does not damage a character that is split between two reads", async () => {
    const running = await stream("bash", ["-c", "printf '\\xe2\\x82'; sleep 0.5; printf '\\xac!'"]);
    assert.equal(await collect(running), "€!");
  });

  it("carries bytes that are no text", async () => {
    const running = await stream("bash", ["-c", "printf '\\xff\\xfe\\x00\\x80ok'"]);
    const chunks: Uint8Array[] = [];
    for await (const { data } of running) chunks.push(data);
    assert.deepEqual([...Buffer.concat(chunks)], [0xff, 0xfe, 0, 0x80, 0x6f, 0x6b]);
  });

  it("runs a terminal of the asked size and resizes it", async () => {
    const running = await stream("bash", ["-c", "stty size; read x; stty size"], {
      pty: { cols: 91, rows: 33 },
    });
    let seen = "";
    let resized = false;
    for await (const { data } of running) {
      seen += Buffer.from(data).toString();
      // Once: the echo of the new line may come by itself, and by then the command may have ended.
      if (seen.includes("33 91") && !resized) {
        resized = true;
        await running.resize({ cols: 120, rows: 44 });
        await running.writeStdin("\n");
      }
    }
    assert.match(seen, /33 91[\s\S]*44 120/);
  });

  it("sends signals, and stop kills all that the command started", async () => {
    const trapped = await stream("bash", [
      "-c",
      "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done",
    ]);
    let seen = "";
    for await (const { data } of trapped) {
      seen += Buffer.from(data).toString();
      if (seen === "ready\n") await trapped.signal("SIGTERM");
    }
    assert.match(seen, /caught/);
    assert.deepEqual(await trapped.wait(), { exitCode: 9 });

    const tree = await stream("bash", ["-c", "setsid sleep 43210 & (sleep 43210 &); echo up; sleep 43210"]);
    for await (const { data } of tree) if (Buffer.from(data).toString().includes("up")) await tree.stop();
    const exit = await tree.wait();
    assert.equal(exit.exitCode, null);
    assert.equal(exit.signal, "SIGKILL");
    const left = await platform.client.sandboxes.exec(id, { cmd: "pgrep", args: ["-fc", "sleep 43210"] });
    assert.equal(left.stdout.trim(), "0");
  });

  it("says that the time was up", async () => {
    const running = await stream("sleep", ["60"], { timeout_sec: 1 });
    const exit = await running.wait();
    assert.equal(exit.exitCode, null);
    assert.equal(exit.timedOut, true);
  });

  it("kills a command whose client has gone", async () => {
    const running = await stream("sleep", ["54321"]);
    const count = async () =>
      (
        await platform.client.sandboxes.exec(id, { cmd: "pgrep", args: ["-fc", "sleep 54321"] })
      ).stdout.trim();
    assert.equal(await count(), "1");
    await running[Symbol.asyncDispose]();
    const deadline = Date.now() + 10_000;
    while ((await count()) !== "0") assert.ok(Date.now() < deadline, "the command goes on");
  });

  it("refuses before the upgrade, as JSON", async () => {
    for (const [path, key, status] of [
      ["/v1/sandboxes/sb-0000000000000000/exec/stream", platform.key, 404],
      [`/v1/sandboxes/${id}/exec/stream`, null, 401],
      [`/v1/sandboxes/${id}/exec/stream?ticket=nope`, null, 401],
    ] as const) {
      assert.equal(await upgradeStatus(platform.url + path, key), status, path);
    }
  });

  it("admits a ticket once", async () => {
    const { ticket } = await platform.client.sandboxes.execTicket(id);
    const url = `${platform.url.replace("http", "ws")}/v1/sandboxes/${id}/exec/stream?ticket=${ticket}`;
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    socket.send(JSON.stringify({ type: "start", cmd: "true" }));
    const messages: { type: string }[] = [];
    socket.on("message", (data) => messages.push(JSON.parse(String(data))));
    const code = await new Promise((resolve) => socket.once("close", resolve));
    assert.deepEqual(
      messages.map(({ type }) => type),
      ["start", "exit"],
    );
    assert.equal(code, 1000);
    assert.equal(await upgradeStatus(url.replace("ws", "http"), null), 401);
  });

  it("answers a message that it does not understand with an error that names the field", async () => {
    const url = `${platform.url.replace("http", "ws")}/v1/sandboxes/${id}/exec/stream`;
    for (const bad of [
      "{",
      "[]",
      '{"type":"start"}',
      '{"type":"start","cmd":"true","surprise":1}',
      '{"type":"stdin","data":"!"}',
    ]) {
      const socket = new WebSocket(url, { headers: { "x-api-key": platform.key } });
      await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
      socket.send(bad);
      const first = await new Promise<string>((resolve) =>
        socket.once("message", (data) => resolve(String(data))),
      );
      assert.equal((JSON.parse(first) as { type: string }).type, "error", bad);
      socket.terminate();
    }
  });

  it("ends in a pause with an error that says so, as connections to its ports end, on both sides; all works anew", async () => {
    const { client } = platform;
    const sh = async (script: string, envs = {}) => {
      const result = await client.sandboxes.exec(id, { cmd: "sh", args: ["-c", script], envs });
      assert.equal(result.exit_code, 0, JSON.stringify(result));
      return result.stdout.trim();
    };
    await sh('mkfifo /tmp/closed-3000 /tmp/closed-3001; perl -e "$SERVER" >/tmp/log 2>&1', { SERVER });
    const answers = await Promise.all([3000, 3001].map((port) => responseOf(platform, id, port)));
    const socket = new WebSocket(`${platform.url.replace("http", "ws")}/v1/sandboxes/${id}/exec/stream`, {
      headers: { "x-api-key": platform.key },
    });
    const messages: { type: string; data: string }[] = [];
    await once(socket, "open");
    socket.on("message", (data) => messages.push(JSON.parse(String(data))));
    socket.send(JSON.stringify({ type: "start", cmd: "sleep", args: ["65432"] }));
    await once(socket, "message");

    const closed = [socket, ...answers].map((one) => new Promise((resolve) => one.once("close", resolve)));
    await client.sandboxes.pause(id);
    const [code] = await Promise.all(closed);
    assert.deepEqual(
      messages.map(({ type }) => type),
      ["start", "error"],
    );
    assert.match(messages[1]?.data ?? "", /paus/);
    assert.equal(code, 1001, "after a handshake: it goes away");
    for (const { complete, errored } of answers) assert.ok(!complete && errored, `cut off: ${errored}`);

    await client.sandboxes.resume(id);
    assert.equal(await sh("pgrep -fc '^sleep 65432$'"), "1", "the command itself goes on");
    assert.equal(await sh("cat /tmp/closed-*"), "closed\nclosed", "the guest's side of both has ended");
    for (const port of [3000, 3001]) (await responseOf(platform, id, port)).destroy();
    await sh("pkill -f '^sleep 65432$'");
  });

  it("yields an error, never an exit code, when the virtual machine dies in mid-stream", async () => {
    const victim = await platform.sandbox();
    const running = await platform.client.sandboxes.execStream(victim.id, { cmd: "sleep", args: ["60"] });
    const [pid] = pidsOf(
      (arguments_) => arguments_.includes(victim.id) && /qemu-system/.test(arguments_[0] ?? ""),
    );
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    await assert.rejects(running.wait());
    await untilStatus(platform.client, victim.id, "stopped");
  });
});

/** Answers on all addresses and on loopback, without an end, and tells a pipe how each connection ends. */
const SERVER = `
use Socket;
for my $to (["0.0.0.0", 3000], ["127.0.0.1", 3001]) {
  my ($address, $port) = @$to;
  socket(my $server, PF_INET, SOCK_STREAM, 0) or die $!;
  bind($server, sockaddr_in($port, inet_aton($address))) and listen($server, 9) or die $!;
  next if fork;
  while (accept(my $peer, $server)) {
    sysread $peer, my $request, 65536;
    syswrite $peer, "HTTP/1.1 200 OK\\r\\ncontent-length: 99\\r\\n\\r\\nbegun";
    my $how = sysread($peer, my $rest, 1) ? "more" : "closed";
    open my $told, ">", "/tmp/closed-$port"; print $told "$how\\n"; close $told;
  }
}
`;

/** An answer that goes on, of which the first piece has come, from a port of a sandbox. */
async function responseOf({ url }: Platform, id: string, port: number): Promise<IncomingMessage> {
  const headers = { "e2b-sandbox-id": id, "e2b-sandbox-port": String(port) };
  const [response] = (await once(request(url, { headers }).end(), "response")) as [IncomingMessage];
  const [piece] = await once(response, "data");
  assert.equal(String(piece), "begun");
  response.on("error", () => {});
  return response;
}

/** HTTP status that an attempt to upgrade is refused with. */
async function upgradeStatus(url: string, key: string | null): Promise<number> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), {
    headers: key === null ? {} : { "x-api-key": key },
  });
  return new Promise((resolve, reject) => {
    socket.once("unexpected-response", (_request, response) => {
      assert.match(String(response.headers["content-type"]), /application\/json/);
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.once("open", () => reject(new Error("was admitted")));
    socket.on("error", () => {});
  });
}

/** Resident memory of the control plane and the host agent of an instance together, `bytes`. */
function platformRss(block: number): number {
  const socket = `/run/wrenn/${block}/agent.sock`;
  const pids = pidsOf((_arguments, environment) => environment.some((entry) => entry.includes(socket)));
  return pids.reduce((sum, pid) => {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return sum + Number(match?.[1] ?? 0) * 1024;
  }, 0);
}
