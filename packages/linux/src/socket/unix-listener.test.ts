import assert from "node:assert/strict";
import { once } from "node:events";
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connectUnix, connectUntrustedUnix, listenUnix } from "./unix-listener.ts";

describe("listenUnix()", () => {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-socket-"));
  after(() => rmSync(dir, { recursive: true }));

  it("is a socket that another server can serve, at a path of any length, for this user alone", async () => {
    const long = join(dir, "x".repeat(200));
    mkdirSync(long);
    const path = join(long, "control");
    writeFileSync(path, "left over");
    const before = readdirSync("/proc/self/fd").length;
    const fd = listenUnix(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const server = createServer((socket) => socket.end("served")).listen({ fd });
    const client = connectUnix(path);
    const [text] = (await once(client, "data")) as [Buffer];
    assert.equal(text.toString(), "served");
    await once(client, "close");
    server.close();
    await once(server, "close");
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });

  it("refuses connections once its descriptor is closed", async () => {
    const path = join(dir, "closed");
    closeSync(listenUnix(path));
    const [reason] = (await once(connectUnix(path), "error")) as [NodeJS.ErrnoException];
    assert.equal(reason.code, "ECONNREFUSED");
  });

  it("leaves nothing open when it fails", () => {
    const before = readdirSync("/proc/self/fd").length;
    assert.throws(() => listenUnix(join(dir, "absent", "control")), { code: "ENOENT" });
    assert.throws(() => listenUnix(join(dir, "y".repeat(120))), { code: "invalid_argument" });
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });
});

describe("connectUntrustedUnix()", () => {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-socket-"));
  after(() => rmSync(dir, { recursive: true }));

  it("connects to a socket, at a path of any length", async () => {
    const long = join(dir, "x".repeat(200));
    mkdirSync(long);
    const path = join(long, "api");
    const before = readdirSync("/proc/self/fd").length;
    const server = createServer((socket) => socket.end("served")).listen({ fd: listenUnix(path) });
    const client = connectUntrustedUnix(path);
    const [text] = (await once(client, "data")) as [Buffer];
    assert.equal(text.toString(), "served");
    await once(client, "close");
    server.close();
    await once(server, "close");
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });

  it("follows no link, and takes nothing else for a socket", () => {
    const socket = join(dir, "socket");
    const fd = listenUnix(socket);
    symlinkSync(socket, join(dir, "link"));
    writeFileSync(join(dir, "file"), "");
    linkSync(join(dir, "file"), join(dir, "other"));
    const before = readdirSync("/proc/self/fd").length;
    for (const name of ["link", "file", "other", "."])
      assert.throws(() => connectUntrustedUnix(join(dir, name)), { code: "unavailable" }, name);
    assert.throws(() => connectUntrustedUnix(join(dir, "absent")), { code: "ENOENT" });
    assert.equal(readdirSync("/proc/self/fd").length, before);
    closeSync(fd);
  });
});
