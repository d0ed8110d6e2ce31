import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";
import type { Outcome } from "./gateway.ts";

/** Where files are received. */
let directory: string;

describe("the gateway to loopback ports", () => {
  let envd: RunningEnvd;
  let gateway: number;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "gateway-"));
    envd = await RunningEnvd.start();
    gateway = await gatewayPort(envd);
  });
  after(async () => {
    await envd[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

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
    for (const greeting of [`${"1".repeat(64)} ${port}\n`, `${port}\n`, "x".repeat(20_000)]) {
      assert.equal(await text(call(gateway, greeting)).catch(() => ""), "");
    }
  });

  it("receives a file, which is in place when the answer comes", async () => {
    const { path, mark, greeting } = await upload();
    const content = randomBytes(3_000_000);
    const caller = call(gateway, greeting);
    // In pieces: the mark does not come at once either.
    caller.write(content.subarray(0, 2_999_990));
    for (const byte of Buffer.concat([content.subarray(2_999_990), mark])) caller.write(Buffer.from([byte]));
    caller.end();
    assert.equal(await text(caller), 'ok\n{"status":200}\n');
    assert.ok((await readFile(path)).equals(content));
    const again = call(gateway, greeting);
    again.end(mark);
    assert.equal(await text(again), 'ok\n{"status":200}\n');
    assert.equal((await readFile(path)).length, 0, "an empty one replaces it");
  });

  it("leaves everything as it was when the content breaks off, however it does", async () => {
    const { path, mark, greeting } = await upload();
    await writeFile(path, "old");
    // What stands in for the mark's first byte is another one: by chance it would be the mark once in 256 times.
    const short = Buffer.concat([randomBytes(100_000), Buffer.of(~(mark[0] ?? 0) & 0xff), mark.subarray(1)]);
    for (const content of [Buffer.alloc(0), randomBytes(70_000), short]) {
      const caller = call(gateway, greeting);
      caller.end(content);
      const [ok, outcome] = (await text(caller)).split("\n");
      assert.equal(ok, "ok");
      assert.equal((JSON.parse(outcome ?? "") as Outcome).error_code, "invalid_argument");
    }
    const broken = call(gateway, greeting);
    await once(broken, "data");
    broken.write(randomBytes(70_000));
    broken.resetAndDestroy();
    assert.equal(await readFile(path, "utf8"), "old");
    const left = async () => (await readdir(dirname(path))).filter((name) => name !== basename(path));
    for (const deadline = Date.now() + 5_000; (await left()).length > 0 && Date.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(await left(), []);
  });

  it("says what is wrong with a path before it takes any content", async () => {
    const { path, mark } = await upload();
    await mkdir(path);
    for (const [given, code] of [
      [encodeURIComponent(path), "not_a_file"],
      ["%", "invalid_argument"],
      ["%00", "invalid_argument"],
    ]) {
      const caller = call(gateway, `${TOKEN} put ${mark.toString("hex")} ${given}\n`);
      assert.equal((JSON.parse(await text(caller)) as Outcome).error_code, code);
    }
  });

  it("says that the directory has gone in the midst of the content", async () => {
    const { path, mark, greeting } = await upload();
    const caller = call(gateway, greeting);
    await once(caller, "data");
    caller.write(randomBytes(70_000));
    await rm(dirname(path), { recursive: true });
    caller.end(mark);
    assert.equal((JSON.parse(await text(caller)) as Outcome).error_code, "not_found");
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

/** A path of its own, and how a file gets there. */
async function upload(): Promise<{ path: string; mark: Buffer; greeting: string }> {
  const path = join(await mkdtemp(join(directory, "put-")), 'ü "x"');
  const mark = randomBytes(16);
  return { path, mark, greeting: `${TOKEN} put ${mark.toString("hex")} ${encodeURIComponent(path)}\n` };
}

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
