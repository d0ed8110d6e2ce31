import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import {
  formatListenAddress,
  isLoopback,
  localUrl,
  parseListenAddress,
  reservePort,
} from "./listen-address.ts";

describe("listen addresses", () => {
  it("reads what users write, and writes it the same way", () => {
    for (const text of ["127.0.0.1:8000", "0.0.0.0:0", "[::1]:443", "[::]:65535", "sandbox.example:80"]) {
      assert.equal(formatListenAddress(parseListenAddress(text)), text);
    }
    assert.deepEqual(parseListenAddress(":8000"), { host: "127.0.0.1", port: 8000 });
  });

  it("refuses anything else", () => {
    for (const text of [
      "",
      "8000",
      "127.0.0.1",
      "127.0.0.1:65536",
      "::1:80",
      "[1.2.3]:80",
      "a b:80",
      "h:-1",
    ]) {
      assert.throws(() => parseListenAddress(text), { code: "invalid_argument", field: "listen" }, text);
    }
  });

  it("knows what only this machine can reach", () => {
    assert.deepEqual(
      ["127.0.0.1", "127.8.9.1", "::1", "localhost"].filter((host) => !isLoopback(host)),
      [],
    );
    assert.deepEqual(["0.0.0.0", "::", "10.0.0.1", "127.example", "example"].filter(isLoopback), []);
  });

  it("gives a URL that this machine can use", () => {
    assert.equal(localUrl({ host: "0.0.0.0", port: 1 }), "http://127.0.0.1:1");
    assert.equal(localUrl({ host: "::", port: 1 }), "http://[::1]:1");
    assert.equal(localUrl({ host: "10.1.2.3", port: 80 }), "http://10.1.2.3:80");
  });

  it("picks a free port, and says when one is taken", async () => {
    const { port } = await reservePort({ host: "127.0.0.1", port: 0 });
    assert.ok(port > 0);
    await using server = createServer();
    const listening = Promise.withResolvers<void>();
    server.listen(port, "127.0.0.1", listening.resolve);
    await listening.promise;
    await assert.rejects(reservePort({ host: "127.0.0.1", port }), {
      code: "invalid_argument",
      message: new RegExp(`another process listens on 127\\.0\\.0\\.1:${port} .* choose another --listen`),
    });
    await assert.rejects(reservePort({ host: "192.0.2.1", port: 0 }), /cannot listen on 192\.0\.2\.1:0/);
  });
});
