// GET and POST /files against a running agent.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  createReadStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, beforeEach, test } from "node:test";
import { until } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";

const MIB = 1024 * 1024;
const NOBODY = `Basic ${btoa("nobody:")}`;
const OCTETS = { "content-type": "application/octet-stream" };

let envd: RunningEnvd;
let root: string;
let dir: string;
let count = 0;
before(async () => {
  envd = await RunningEnvd.start();
  root = mkdtempSync(join(tmpdir(), "envd-files-"));
});
beforeEach(() => {
  dir = join(root, String(count++));
  mkdirSync(dir);
});
after(async () => {
  await envd[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  envd.fetch(`/files?${new URLSearchParams({ path })}`, { headers });
const post = (query: Record<string, string>, body: BodyInit, headers: Record<string, string> = OCTETS) =>
  envd.fetch(`/files?${new URLSearchParams(query)}`, { method: "POST", body, headers, duplex: "half" });

async function failure(reply: Response): Promise<{ status: number; error_code: string; field?: string }> {
  const body = (await reply.json()) as { code: number; error_code: string; field?: string; message: string };
  assert.equal(body.code, reply.status);
  assert.ok(body.message.length > 0);
  return { status: reply.status, error_code: body.error_code, ...(body.field && { field: body.field }) };
}

test("a file comes back byte for byte, with its length", async () => {
  const data = randomBytes(300_000);
  writeFileSync(`${dir}/f ü`, data);
  const reply = await get(`${dir}/f ü`);
  assert.deepEqual([reply.status, reply.headers.get("content-length")], [200, "300000"]);
  assert.ok(Buffer.from(await reply.arrayBuffer()).equals(data));
  writeFileSync(`${dir}/empty`, "");
  const empty = await get(`${dir}/empty`);
  assert.deepEqual([empty.status, empty.headers.get("content-length"), await empty.text()], [200, "0", ""]);
});

test("a part of it for Range", async () => {
  writeFileSync(`${dir}/f`, "0123456789");
  for (const [range, status, text] of [
    ["bytes=2-4", 206, "234"],
    ["bytes=7-", 206, "789"],
    ["bytes=-2", 206, "89"],
    ["bytes=0-99", 206, "0123456789"],
    ["bytes=5-2", 200, "0123456789"],
  ] as const) {
    const reply = await get(`${dir}/f`, { range });
    assert.deepEqual([reply.status, await reply.text()], [status, text], range);
  }
  const beyond = await get(`${dir}/f`, { range: "bytes=10-" });
  assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, "bytes */10"]);
});

test("files that the kernel makes up are read to their end", async () => {
  assert.match(await (await get("/proc/self/status")).text(), /^Name:\s+bun/);
  const maps = await (await get("/proc/kallsyms")).text();
  assert.ok(maps.length > 64 * 1024 && maps.endsWith("\n"));
});

test("what is missing is 404, what is no file 400, neither hangs", async () => {
  execFileSync("mkfifo", [`${dir}/fifo`]);
  symlinkSync("loop", `${dir}/loop`);
  assert.deepEqual(await failure(await get(`${dir}/missing`)), {
    status: 404,
    error_code: "not_found",
    field: "path",
  });
  for (const path of [dir, "/dev/zero", "/dev/null", "/dev/tty", `${dir}/fifo`]) {
    assert.deepEqual(
      await failure(await get(path)),
      { status: 400, error_code: "not_a_file", field: "path" },
      path,
    );
  }
  for (const path of ["", "a\0b", "/".repeat(5000), `${dir}/loop`, `/${"n".repeat(300)}`, "/etc/passwd/x"]) {
    assert.deepEqual(
      await failure(await get(path)),
      { status: 400, error_code: "invalid_argument", field: "path" },
      path.slice(0, 20),
    );
  }
  assert.equal(
    (await failure(await get("/etc/passwd", { authorization: `Basic ${btoa("ghost:")}` }))).status,
    401,
  );
  assert.equal((await failure(await envd.fetch("/files?path=/etc/passwd&username=ghost"))).status, 401);
});

test("an upload makes parents and file for the user, and answers what it wrote", async () => {
  const reply = await post({ path: `${dir}/a/b/c` }, "content", { ...OCTETS, authorization: NOBODY });
  assert.deepEqual(await reply.json(), [{ path: `${dir}/a/b/c`, name: "c", type: "file" }]);
  assert.equal(readFileSync(`${dir}/a/b/c`, "utf8"), "content");
  for (const made of ["a", "a/b", "a/b/c"]) assert.equal(statSync(join(dir, made)).uid, 65534, made);
  assert.equal(statSync(`${dir}/a/b/c`).mode & 0o7777, 0o644);
  assert.equal(statSync(dir).uid, 0);
});

test("an upload replaces the content and keeps the mode; links are followed", async () => {
  writeFileSync(`${dir}/script`, "old");
  chmodSync(`${dir}/script`, 0o4755);
  chownSync(`${dir}/script`, 1, 1);
  symlinkSync("script", `${dir}/link`);
  symlinkSync(`${dir}/new`, `${dir}/dangling`);
  assert.equal((await post({ path: `${dir}/link` }, "new")).status, 200);
  assert.ok(lstatSync(`${dir}/link`).isSymbolicLink());
  assert.equal(readFileSync(`${dir}/script`, "utf8"), "new");
  assert.deepEqual([statSync(`${dir}/script`).mode & 0o7777, statSync(`${dir}/script`).uid], [0o755, 0]);
  assert.equal((await post({ path: `${dir}/dangling` }, "x")).status, 200);
  assert.equal(readFileSync(`${dir}/new`, "utf8"), "x");
  assert.equal((await post({ path: `${dir}/empty` }, "")).status, 200);
  assert.equal(statSync(`${dir}/empty`).size, 0);
});

test("an upload to what is no file is refused and leaves it alone", async () => {
  for (const path of [dir, "/dev/null"]) {
    assert.deepEqual(await failure(await post({ path }, "x")), {
      status: 400,
      error_code: "not_a_file",
      field: "path",
    });
  }
  writeFileSync(`${dir}/f`, "");
  assert.equal((await failure(await post({ path: `${dir}/f/g` }, "x"))).status, 400);
  assert.equal((await failure(await post({}, "x"))).field, "path");
  assert.equal(
    (await failure(await post({ path: `${dir}/g` }, "x", { "content-type": "text/plain" }))).error_code,
    "unsupported_media_type",
  );
  assert.equal(
    (await failure(await post({ path: `${dir}/g` }, "x", { ...OCTETS, "content-encoding": "br" }))).status,
    415,
  );
  assert.deepEqual(readdirSync(dir), ["f"]);
  assert.ok(statSync("/dev/null").isCharacterDevice());
});

test("multipart: one file for a path, or each under its own name", async () => {
  const form = new FormData();
  const data = randomBytes(200_000);
  form.append("file", new Blob([data]), `${dir}/x/one`);
  form.append("file", new Blob(["two"]), `${dir}/two`);
  const reply = await envd.fetch("/files", { method: "POST", body: form });
  assert.deepEqual(
    ((await reply.json()) as { path: string }[]).map((f) => f.path),
    [`${dir}/x/one`, `${dir}/two`],
  );
  assert.ok(readFileSync(`${dir}/x/one`).equals(data));
  assert.equal(readFileSync(`${dir}/two`, "utf8"), "two");
  const single = new FormData();
  single.append("file", new Blob(["three"]), "ignored");
  assert.equal((await envd.fetch(`/files?path=${dir}/three`, { method: "POST", body: single })).status, 200);
  assert.equal(readFileSync(`${dir}/three`, "utf8"), "three");
});

test("multipart: nothing is written of a body that is wrong", async () => {
  const twice = new FormData();
  twice.append("file", new Blob(["1"]), `${dir}/same`);
  twice.append("file", new Blob(["2"]), `${dir}/same`);
  const stranger = new FormData();
  stranger.append("file", new Blob(["1"]), `${dir}/good`);
  stranger.append("other", new Blob(["2"]), `${dir}/bad`);
  const none = new FormData();
  none.append("text", "no file");
  const device = new FormData();
  device.append("file", new Blob(["1"]), `${dir}/good`);
  device.append("file", new Blob(["2"]), "/dev/null");
  for (const body of [twice, stranger, none, device]) {
    assert.equal((await failure(await envd.fetch("/files", { method: "POST", body }))).status, 400);
  }
  const head = '--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf';
  for (const [type, body] of [
    ["multipart/form-data; boundary=B", head],
    ["multipart/form-data; boundary=B", ""],
    ["multipart/form-data", head],
  ] as const) {
    const reply = await post({ path: `${dir}/half` }, body, { "content-type": type });
    assert.equal((await failure(reply)).status, 400, type);
  }
  assert.deepEqual(readdirSync(dir), []);
});

for (const [name, header] of [
  ["content-length", `Content-Length: ${10 * MIB}`],
  ["chunked", "Transfer-Encoding: chunked"],
] as const) {
  test(`an upload that is broken off leaves the old file whole and nothing beside it (${name})`, async () => {
    writeFileSync(`${dir}/f`, "old");
    const socket = connect(Number(new URL(envd.url).port), "127.0.0.1");
    socket.write(
      `POST /files?path=${dir}/f HTTP/1.1\r\nHost: x\r\nX-Access-Token: ${TOKEN}\r\nContent-Type: application/octet-stream\r\n${header}\r\n\r\n`,
    );
    socket.write(name === "chunked" ? `8000\r\n${"x".repeat(0x8000)}\r\n8000\r\nxx` : "x".repeat(70_000));
    await until("it is being received", () => readdirSync(dir).length === 2);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "old");
    socket.destroy();
    await once(socket, "close");
    await until("the temporary file is gone", () => readdirSync(dir).length === 1);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "old");
  });
}

test("a full disk is 507, the old file stays", async () => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir]);
  try {
    writeFileSync(`${dir}/f`, "old");
    const chunks = function* () {
      for (let i = 0; i < 64; i++) yield Buffer.alloc(64 * 1024, i);
    };
    const reply = await post(
      { path: `${dir}/f` },
      Readable.toWeb(Readable.from(chunks())) as unknown as BodyInit,
    );
    assert.deepEqual(await failure(reply), { status: 507, error_code: "no_space", field: "path" });
    assert.deepEqual(readdirSync(dir), ["f"]);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "old");
  } finally {
    execFileSync("umount", [dir]);
  }
});

test("256 MiB pass both ways in bounded memory", async () => {
  const size = 256 * MIB;
  const chunk = randomBytes(MIB);
  const sent = createHash("sha256");
  const chunks = function* () {
    for (let i = 0; i < size / MIB; i++) {
      chunk.writeUInt32LE(i);
      sent.update(chunk);
      yield Buffer.from(chunk);
    }
  };
  const before = envd.rss;
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, envd.rss);
  }, 20);
  try {
    const reply = await post(
      { path: `${dir}/big` },
      Readable.toWeb(Readable.from(chunks())) as unknown as BodyInit,
    );
    assert.equal(reply.status, 200);
    const received = createHash("sha256");
    const expected = sent.digest("hex");
    const file = createHash("sha256");
    for await (const part of createReadStream(`${dir}/big`)) file.update(part);
    assert.equal(file.digest("hex"), expected);
    for await (const part of (await get(`${dir}/big`)).body ?? []) received.update(part);
    assert.equal(received.digest("hex"), expected);
    assert.ok(peak - before < 64 * MIB, `grew by ${(peak - before) / MIB} MiB`);
  } finally {
    clearInterval(watch);
  }
});
