// Exec streams: frames, input, back-pressure, every way to an end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { eventually } from "./eventually.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
let id: string;
before(async () => {
  service = await testService();
  id = await service.sandbox();
});
after(() => service[Symbol.asyncDispose]());

// biome-ignore lint/suspicious/noExplicitAny: frames have many shapes.
type Frame = any;

interface Stream {
  ws: WebSocket;
  frames: Frame[];
  send(message: unknown): void;
  /** Resolves with the close code. */
  closed: Promise<number>;
  frame(type: string): Promise<Frame>;
}

async function open(
  options: { headers?: Record<string, string>; query?: string; sandbox?: string } = {},
): Promise<Stream> {
  const { headers = { "x-api-key": service.key }, query = "", sandbox = id } = options;
  const ws = new WebSocket(
    `${service.url.replace("http", "ws")}/v1/sandboxes/${sandbox}/exec/stream${query}`,
    { headers },
  );
  const frames: Frame[] = [];
  ws.on("message", (data) => frames.push(JSON.parse(String(data))));
  const closed = once(ws, "close").then(([code]) => code as number);
  await once(ws, "open");
  return {
    ws,
    frames,
    closed,
    send: (message) =>
      ws.send(typeof message === "string" || message instanceof Buffer ? message : JSON.stringify(message)),
    frame: (type) => eventually(async () => frames.find((frame) => frame.type === type)),
  };
}

/** Runs a command to the end of its stream. */
async function run(...messages: unknown[]): Promise<{ frames: Frame[]; code: number }> {
  const stream = await open();
  for (const message of messages) stream.send(message);
  const code = await stream.closed;
  return { frames: stream.frames, code };
}

/** The status and the body that an upgrade is refused with. */
async function refused(
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: Frame }> {
  const ws = new WebSocket(`${service.url.replace("http", "ws")}${path}`, { headers });
  const [, response] = await once(ws, "unexpected-response");
  let text = "";
  for await (const chunk of response) text += String(chunk);
  assert.match(response.headers["content-type"], /^application\/json/);
  return { status: response.statusCode, body: JSON.parse(text) };
}

describe("before the upgrade", () => {
  const path = () => `/v1/sandboxes/${id}/exec/stream`;
  test("refusals are JSON: 401, 404, 409, 400", async () => {
    const key = { "x-api-key": service.key };
    assert.equal((await refused(path(), {})).status, 401);
    assert.equal((await refused(path(), { "x-api-key": "wrn_no" })).status, 401);
    assert.equal((await refused("/v1/sandboxes/sb-0000000000000000/exec/stream", key)).status, 404);
    assert.equal((await refused("/v1/nope", key)).status, 404);
    assert.equal((await refused(`${path()}?bogus=1`, key)).body.error.field, "bogus");
    const ended = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${ended}`);
    const { status, body } = await refused(`/v1/sandboxes/${ended}/exec/stream`, key);
    assert.deepEqual([status, body.error.code], [409, "invalid_state"]);
  });

  test("an ordinary GET is told what to do, and another Upgrade is ignored", async () => {
    assert.equal((await service.call("GET", path())).status, 400);
    const { port } = new URL(service.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write("GET /health HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n");
    const [head] = await once(socket, "data");
    assert.match(String(head), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  test("a broken handshake is a JSON 400", async () => {
    const { port } = new URL(service.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `GET ${path()} HTTP/1.1\r\nhost: x\r\nx-api-key: ${service.key}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
    const [answer] = await once(socket, "data");
    assert.match(String(answer), /^HTTP\/1\.1 400 /);
    assert.match(String(answer), /"code":"invalid_argument"/);
    await once(socket, "close");
  });
});

describe("tickets", () => {
  const ticketFor = async () => (await service.call("POST", `/v1/sandboxes/${id}/exec/ticket`)).body;

  test("open one stream without a key, from this origin or none", async () => {
    const { ticket, expires_at } = await ticketFor();
    const left = Date.parse(expires_at) - Date.now();
    assert.ok(left > 25_000 && left <= 30_000);
    const stream = await open({ query: `?ticket=${ticket}`, headers: { origin: service.url } });
    stream.ws.terminate();
    assert.equal(
      (await refused(`/v1/sandboxes/${id}/exec/stream?ticket=${ticket}`, {})).status,
      401,
      "used up",
    );
  });

  test("are worth nothing to pages of other origins, for other sandboxes, or late", async () => {
    const foreign = await ticketFor();
    const path = `/v1/sandboxes/${id}/exec/stream?ticket=`;
    for (const origin of ["https://evil.example", "null"]) {
      assert.equal((await refused(`${path}${foreign.ticket}`, { origin })).status, 403, origin);
    }
    const other = await service.sandbox();
    const { ticket } = await ticketFor();
    assert.equal((await refused(`/v1/sandboxes/${other}/exec/stream?ticket=${ticket}`, {})).status, 401);
    await service.database.db
      .updateTable("exec_tickets")
      .set({ expires_at: new Date(0) })
      .execute();
    assert.equal((await refused(`${path}${ticket}`, {})).status, 401);
  });

  test("end with the key that they were made with", async () => {
    const owner = await service.keyOf("ticketed");
    const made = await service.call("POST", "/v1/sandboxes", { key: owner });
    const path = `/v1/sandboxes/${made.body.id}/exec`;
    const { ticket } = (await service.call("POST", `${path}/ticket`, { key: owner })).body;
    const [{ id: keyId }] = (await service.call("GET", "/v1/keys", { key: owner })).body;
    await service.call("DELETE", `/v1/keys/${keyId}`, { key: owner });
    assert.equal((await refused(`${path}/stream?ticket=${ticket}`, {})).status, 401);
  });
});

describe("output", () => {
  test("comes in order between start and exit, and the close is proper", async () => {
    const { frames, code } = await run({ type: "start", cmd: "split" });
    assert.deepEqual(frames[0], { type: "start", pid: 7 });
    assert.deepEqual(frames.at(-1), { type: "exit", exit_code: 0 });
    assert.equal(code, 1000);
  });

  test("a character that is split between reads arrives whole; half a one at the end as base64", async () => {
    const { frames } = await run({ type: "start", cmd: "split" });
    const stdout = frames.filter(({ type }) => type === "stdout").map(({ data }) => data);
    assert.deepEqual(stdout, ["a", "€", "b"]);
    assert.deepEqual(
      frames.find(({ type }) => type === "stderr"),
      {
        type: "stderr",
        data: Buffer.from([0xe2, 0x82]).toString("base64"),
        encoding: "base64",
      },
    );
  });

  test("bytes that are not UTF-8 come as base64", async () => {
    const { frames } = await run({ type: "start", cmd: "binary" });
    assert.deepEqual(frames[1], { type: "stdout", data: "//4=", encoding: "base64" });
    assert.deepEqual(frames[2], { type: "exit", exit_code: 3 });
  });

  test("a slow reader holds the command back, gets every byte, and memory stays bounded", async () => {
    const bytes = 64 * 1024 * 1024;
    const stream = await open();
    let received = 0;
    stream.ws.removeAllListeners("message");
    stream.ws.on("message", (data) => {
      const frame = JSON.parse(String(data));
      if (frame.type === "stdout") received += frame.data.length;
      if (frame.type === "exit") stream.frames.push(frame);
    });
    stream.ws.pause();
    stream.send({ type: "start", cmd: "flood", args: [String(bytes)] });
    // Long enough for an unbounded buffer to take everything in, short of the stall limit.
    let before = -1;
    await eventually(async () => {
      const now = service.host.produced;
      const standsStill = now > 0 && now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return standsStill || undefined;
    });
    assert.ok(service.host.produced < bytes / 2, `${service.host.produced} bytes were produced for nobody`);
    stream.ws.resume();
    assert.equal(await stream.closed, 1000);
    assert.equal(received, bytes);
    assert.deepEqual(stream.frames.at(-1), { type: "exit", exit_code: 0 });
  });

  test("a reader that stands still is cut off, and the command killed", async () => {
    const abandoned = service.host.abandoned;
    const stream = await open();
    stream.ws.pause();
    stream.send({ type: "start", cmd: "flood", args: [String(1 << 30)] });
    await eventually(async () => (service.host.abandoned > abandoned ? true : undefined), 15_000);
    stream.ws.resume();
    assert.notEqual(await stream.closed, 1000);
    assert.equal(
      stream.frames.some(({ type }) => type === "exit"),
      false,
    );
  });
});

describe("input", () => {
  const start = { type: "start", cmd: "cat" };
  const stdin = (text: string) => ({ type: "stdin", data: Buffer.from(text).toString("base64") });

  test("arrives in order, also when it came before the command had started", async () => {
    const words = Array.from({ length: 50 }, (_, i) => `${i} `);
    const { frames } = await run(start, ...words.map(stdin), { type: "stdin_close" });
    const text = frames
      .filter(({ type }) => type === "stdout")
      .map(({ data }) => data)
      .join("");
    assert.equal(text, words.join(""));
    assert.deepEqual(frames.at(-1), { type: "exit", exit_code: 0 });
  });

  test("more than the bound holds the client back and loses nothing", async () => {
    const block = "x".repeat(512 * 1024);
    const { frames } = await run(start, ...Array.from({ length: 8 }, () => stdin(block)), {
      type: "stdin_close",
    });
    const total = frames
      .filter(({ type }) => type === "stdout")
      .reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(total, 8 * block.length);
  });

  test("signals, sizes and stop go through", async () => {
    assert.deepEqual((await run(start, { type: "signal", signal: "SIGTERM" })).frames.at(-1), {
      type: "exit",
      exit_code: null,
      signal: "SIGTERM",
    });
    assert.deepEqual((await run(start, { type: "stop" })).frames.at(-1), {
      type: "exit",
      exit_code: null,
      signal: "SIGKILL",
    });
    const sized = await run(
      { ...start, pty: { cols: 80, rows: 24 } },
      { type: "resize", cols: 120, rows: 40 },
      { type: "stdin_close" },
    );
    assert.equal(sized.frames[1].data, "120x40");
  });

  test("what is typed after a resize is read after it", async () => {
    const stream = await open();
    stream.send({ ...start, pty: { cols: 80, rows: 24 } });
    await eventually(async () => stream.frames.some(({ type }) => type === "start") || undefined);
    let slow = true;
    service.host.before["sendExecInput"] = async () => {
      if (!slow) return;
      slow = false;
      await delay(200);
    };
    stream.send({ type: "resize", cols: 120, rows: 40 });
    stream.send({ type: "stdin", data: Buffer.from("typed").toString("base64") });
    stream.send({ type: "stdin_close" });
    await stream.closed;
    service.host.before = {};
    const output = stream.frames.flatMap(({ type, data }) => (type === "stdout" ? [data] : []));
    assert.deepEqual(output, ["120x40", "typed"]);
  });

  for (const [what, messages, field] of [
    ["something else first", [{ type: "stdin", data: "" }], "type"],
    ["a second start", [start, start], "type"],
    ["an unknown type", [{ type: "run" }], "type"],
    ["no object", ["[]"], "type"],
    ["an unknown field", [{ ...start, shell: true }], "shell"],
    ["no command", [{ type: "start" }], "cmd"],
    ["stdin that is not base64", [start, { type: "stdin", data: "?" }], "data"],
    ["an unknown signal", [start, { type: "signal", signal: "SIGFOO" }], "signal"],
    ["a terminal without width", [start, { type: "resize", cols: 0, rows: 1 }], "cols"],
    ["malformed JSON", ["{"], undefined],
    ["a binary frame", [Buffer.from('{"type":"start","cmd":"cat"}')], undefined],
  ] as [string, unknown[], string | undefined][]) {
    test(`${what} ends the stream with an error frame${field ? ` that names ${field}` : ""}`, async () => {
      const { frames, code } = await run(...messages);
      const last = frames.at(-1);
      assert.deepEqual([last.type, last.code, last.field], ["error", "invalid_argument", field]);
      assert.equal(code, 1008);
    });
  }

  test("a message above 1 MiB is too_large, and one far above it closes the stream", async () => {
    const large = await run(start, { type: "stdin", data: "A".repeat(1024 * 1024) });
    assert.equal(large.frames.at(-1).code, "too_large");
    assert.equal((await run(start, { type: "stdin", data: "A".repeat(3 * 1024 * 1024) })).code, 1009);
  });
});

describe("the end", () => {
  test("a stream that breaks off is an error, never an exit code", async () => {
    for (const cmd of ["lost", "unreachable"]) {
      const { frames, code } = await run({ type: "start", cmd });
      assert.deepEqual([frames.at(-1).type, frames.at(-1).code], ["error", "guest_unreachable"]);
      assert.equal(
        frames.some(({ type }) => type === "exit"),
        false,
      );
      assert.equal(code, 1011);
    }
  });

  test("a command that is not there is an error with its code", async () => {
    const { frames } = await run({ type: "start", cmd: "missing" });
    assert.deepEqual([frames.at(-1).code, frames.at(-1).field], ["command_not_found", "cmd"]);
  });

  test("a time-out says so", async () => {
    const { frames } = await run({ type: "start", cmd: "late", timeout_sec: 1 });
    assert.deepEqual(frames.at(-1), { type: "exit", exit_code: null, timed_out: true });
  });

  test("a client that leaves ends the command", async () => {
    const abandoned = service.host.abandoned;
    const stream = await open();
    stream.send({ type: "start", cmd: "idle" });
    await stream.frame("start");
    stream.ws.terminate();
    await eventually(async () => (service.host.abandoned > abandoned ? true : undefined));
  });

  test("a client that says nothing is sent away", async () => {
    const stream = await open();
    assert.equal(await stream.closed, 1011);
    assert.equal(stream.frames[0].code, "deadline_exceeded");
  });

  test("a server that stops says so", async () => {
    const stream = await open();
    stream.send({ type: "start", cmd: "idle" });
    await stream.frame("start");
    await service.restart();
    assert.equal(await stream.closed, 1001);
    assert.deepEqual([stream.frames.at(-1).type, stream.frames.at(-1).code], ["error", "unavailable"]);
  });
});
