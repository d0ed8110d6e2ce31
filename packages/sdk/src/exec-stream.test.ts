import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WebSocket } from "ws";
import { openBrowserSocket } from "./browser-socket.ts";
import { startExecStream } from "./exec-stream.ts";
import { WrennApiError, WrennConnectionError } from "./index.ts";
import { answer, testService } from "./test-service.ts";
import { Transport } from "./transport.ts";

type Message = { type: string; [key: string]: unknown };

const send = (socket: WebSocket, message: Message) => socket.send(JSON.stringify(message));

/** A service whose streams are served by `script`, message by message. */
const scripted = (script: (message: Message, socket: WebSocket) => void) =>
  testService({
    stream: (socket) => socket.on("message", (data) => script(JSON.parse(data.toString()), socket)),
  });

describe("execStream()", () => {
  it("gives output in order, whole characters and raw bytes, and the exit code", async () => {
    await using service = await scripted(({ type: _, ...request }, socket) => {
      assert.deepEqual(request, { cmd: "x", args: ["1"] });
      send(socket, { type: "start", pid: 7 });
      send(socket, { type: "stdout", data: "é" });
      send(socket, { type: "stderr", data: "/wA=", encoding: "base64" });
      send(socket, { type: "exit", exit_code: 3 });
      socket.close(1000);
    });
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x", args: ["1"] });
    assert.equal(stream.pid, 7);
    const output = await Array.fromAsync(stream);
    assert.deepEqual(
      output.map(({ type, data }) => [type, [...data]]),
      [
        ["stdout", [0xc3, 0xa9]],
        ["stderr", [0xff, 0]],
      ],
    );
    assert.deepEqual(await stream.wait(), { exitCode: 3 });
    assert.equal(service.requests[0]?.headers["x-api-key"], "wrn_test");
  });

  it("tells a signal and a time-out from an exit code", async () => {
    const ends: Message[] = [
      { type: "exit", exit_code: null, signal: "SIGSEGV" },
      { type: "exit", exit_code: null, timed_out: true },
    ];
    await using service = await scripted((_start, socket) => {
      send(socket, { type: "start", pid: 7 });
      send(socket, ends.shift() as Message);
    });
    const { sandboxes } = service.client();
    assert.deepEqual(await (await sandboxes.execStream("sb-1", { cmd: "x" })).wait(), {
      exitCode: null,
      signal: "SIGSEGV",
    });
    assert.deepEqual(await (await sandboxes.execStream("sb-1", { cmd: "x" })).wait(), {
      exitCode: null,
      timedOut: true,
    });
  });

  it("sends input, signals, size and stop", async () => {
    const got: Message[] = [];
    await using service = await scripted((message, socket) => {
      got.push(message);
      if (message.type === "start") send(socket, { type: "start", pid: 7 });
      if (message.type === "stop") send(socket, { type: "exit", exit_code: null, signal: "SIGKILL" });
    });
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
    await stream.writeStdin("hé");
    await stream.writeStdin(Buffer.alloc(40_000, 1));
    await stream.closeStdin();
    await stream.signal("SIGTERM");
    await stream.resize({ cols: 1, rows: 2 });
    await stream.stop();
    await stream.wait();
    const stdin = got
      .filter(({ type }) => type === "stdin")
      .map(({ data }) => Buffer.from(String(data), "base64"));
    assert.ok(Buffer.concat(stdin).equals(Buffer.concat([Buffer.from("hé"), Buffer.alloc(40_000, 1)])));
    assert.deepEqual(got.slice(-4), [
      { type: "stdin_close" },
      { type: "signal", signal: "SIGTERM" },
      { type: "resize", cols: 1, rows: 2 },
      { type: "stop" },
    ]);
    await assert.rejects(stream.writeStdin("late"), /the command has ended/);
  });

  for (const how of ["close", "terminate"] as const) {
    it(`never turns a connection that is lost (${how}) into an exit code`, async () => {
      await using service = await scripted((_start, socket) => {
        send(socket, { type: "start", pid: 7 });
        socket.send(JSON.stringify({ type: "stdout", data: "some" }), () => socket[how]());
      });
      const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
      const seen: string[] = [];
      await assert.rejects(async () => {
        for await (const { data } of stream) seen.push(Buffer.from(data).toString());
      }, WrennConnectionError);
      assert.deepEqual(seen, ["some"]);
      await assert.rejects(stream.wait(), WrennConnectionError);
    });
  }

  it("fails on a message that makes no sense", async () => {
    await using service = await scripted((_start, socket) => {
      send(socket, { type: "start", pid: 7 });
      socket.send("<html>");
    });
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
    await assert.rejects(stream.wait(), WrennConnectionError);
  });

  it("rejects when the command cannot be started", async () => {
    await using service = await scripted((_start, socket) => {
      send(socket, { type: "error", data: "no such command: x", code: "command_not_found" });
      socket.close(1000);
    });
    await assert.rejects(service.client().sandboxes.execStream("sb-1", { cmd: "x" }), {
      name: "WrennApiError",
      code: "command_not_found",
      message: "no such command: x",
    });
  });

  it("rejects with the service's error when the upgrade is refused", async () => {
    const body = JSON.stringify({ error: { code: "invalid_state", message: "it is paused" } });
    await using service = await testService({ refuse: { status: 409, body } });
    await assert.rejects(service.client().sandboxes.execStream("sb-1", { cmd: "x" }), (error) => {
      assert.ok(error instanceof WrennApiError);
      assert.deepEqual([error.status, error.code, error.requestId], [409, "invalid_state", "r-1"]);
      return true;
    });
  });

  it("stops the command when the signal is aborted", async () => {
    const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
    await using service = await scripted(({ type }, socket) => {
      if (type === "start") send(socket, { type: "start", pid: 7 });
      if (type === "stop") stop();
    });
    const controller = new AbortController();
    const { signal } = controller;
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" }, { signal });
    controller.abort(new Error("enough"));
    await assert.rejects(stream.wait(), /enough/);
    await stopped;
  });

  it("does not start anything when the signal is aborted before", async () => {
    await using service = await scripted(() => undefined);
    const call = service.client().sandboxes.execStream("sb-1", { cmd: "x" }, { signal: AbortSignal.abort() });
    await assert.rejects(call, { name: "AbortError" });
    assert.equal(service.requests.length, 0);
  });

  it("slows the sender down to the reader's pace, and loses nothing", async () => {
    const chunk = "x".repeat(16 * 1024);
    const total = 2000; // 32 MiB
    let sent = 0;
    await using service = await testService({
      stream: (socket) =>
        socket.once("message", async () => {
          send(socket, { type: "start", pid: 7 });
          for (; sent < total; sent++) {
            const text = JSON.stringify({ type: "stdout", data: chunk });
            await new Promise((resolve) => socket.send(text, resolve));
          }
          send(socket, { type: "exit", exit_code: 0 });
        }),
    });
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
    const output = stream[Symbol.asyncIterator]();
    let bytes = (await output.next()).value?.data.length ?? 0;
    // Nobody reads for a while; the kernel's buffers on loopback take a few MiB at most.
    const { promise: quiet, resolve } = Promise.withResolvers<void>();
    let last = -1;
    const check = setInterval(() => {
      if (sent === last) resolve();
      last = sent;
    }, 100);
    await quiet;
    clearInterval(check);
    assert.ok(sent < total / 2, `${sent} chunks had been sent before anybody read`);
    for await (const { data } of { [Symbol.asyncIterator]: () => output }) bytes += data.length;
    assert.equal(bytes, total * chunk.length);
    assert.deepEqual(await stream.wait(), { exitCode: 0 });
  });

  it("discards the output for wait() alone, and lets it be read once", async () => {
    await using service = await scripted((_start, socket) => {
      send(socket, { type: "start", pid: 7 });
      for (let i = 0; i < 100; i++) send(socket, { type: "stdout", data: "x".repeat(16 * 1024) });
      send(socket, { type: "exit", exit_code: 0 });
    });
    const stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
    assert.deepEqual(await stream.wait(), { exitCode: 0 });
    await assert.rejects(Array.fromAsync(stream), TypeError);
  });

  it("stops a command that still runs when it is disposed of", async () => {
    const got: string[] = [];
    await using service = await scripted(({ type }, socket) => {
      got.push(type);
      if (type === "start") send(socket, { type: "start", pid: 7 });
      if (type === "stop") send(socket, { type: "exit", exit_code: null, signal: "SIGKILL" });
    });
    {
      await using stream = await service.client().sandboxes.execStream("sb-1", { cmd: "x" });
      assert.equal(stream.pid, 7);
    }
    assert.deepEqual(got, ["start", "stop"]);
  });
});

describe("exec()", () => {
  it("goes over the stream when it may take longer than HTTP clients wait", async () => {
    await using service = await scripted(({ type }, socket) => {
      if (type === "start") send(socket, { type: "start", pid: 7 });
      if (type !== "stdin_close") return;
      send(socket, { type: "stdout", data: "/w==", encoding: "base64" });
      send(socket, { type: "exit", exit_code: null, timed_out: true });
    });
    const { duration_ms, ...result } = await service
      .client()
      .sandboxes.exec("sb-1", { cmd: "x", stdin: "in", timeout_sec: 3600 });
    assert.ok(duration_ms >= 0);
    assert.deepEqual(result, {
      sandbox_id: "sb-1",
      cmd: "x",
      stdout: "/w==",
      stderr: "",
      exit_code: null,
      encoding: "base64",
      timed_out: true,
    });
  });

  it("is one request otherwise", async () => {
    const result = { exit_code: 0, stdout: "42\n" };
    await using service = await testService({ http: (_request, response) => answer(response, 200, result) });
    assert.deepEqual(await service.client().sandboxes.exec("sb-1", { cmd: "x" }), result);
    assert.equal(service.requests[0]?.url, "/v1/sandboxes/sb-1/exec");
  });
});

describe("openBrowserSocket()", () => {
  it("puts a ticket into the query", async () => {
    await using service = await scripted((_start, socket) => {
      send(socket, { type: "start", pid: 7 });
      send(socket, { type: "exit", exit_code: 0 });
      socket.close(1000);
    });
    const closed = Promise.withResolvers<unknown>();
    const messages: string[] = [];
    const socket = await openBrowserSocket({
      transport: new Transport({ url: service.url }),
      path: "/v1/sandboxes/sb-1/exec/stream",
      ticket: async () => "t/1",
      listener: { message: (text) => messages.push(text), closed: closed.resolve },
    });
    await socket.send("{}");
    assert.equal(await closed.promise, undefined);
    assert.equal(messages.length, 2);
    assert.equal(service.requests[0]?.url, "/v1/sandboxes/sb-1/exec/stream?ticket=t%2F1");
  });
});

describe("startExecStream()", () => {
  it("reports a service that is not there", async () => {
    const service = await testService({});
    await service[Symbol.asyncDispose]();
    const options = { transport: new Transport({ url: service.url }), path: "/x", ticket: async () => "t" };
    await assert.rejects(startExecStream(options, { cmd: "x" }), WrennConnectionError);
  });
});
