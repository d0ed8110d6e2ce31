import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connectUnix, listenUnix } from "./unix-listener.ts";

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
