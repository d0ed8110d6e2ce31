import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ownIdentity } from "./process-identity.ts";
import { isLoopback, targetOf } from "./target.ts";

function dataDirectory({ alive }: { alive: boolean }): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "wrenn-target-"));
  const { pid, start_time } = ownIdentity();
  const instance = { url: "http://127.0.0.1:4321", pid, start_time: alive ? start_time : start_time - 1 };
  writeFileSync(join(path, "instance.json"), JSON.stringify(instance));
  writeFileSync(join(path, "api-key"), "wrn_local\n");
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

describe("targetOf()", () => {
  it("is the platform of the data directory, with its key", () => {
    using directory = dataDirectory({ alive: true });
    const local = { url: "http://127.0.0.1:4321", apiKey: "wrn_local" };
    assert.deepEqual(targetOf({ dataDir: directory.path, env: {} }), local);
    assert.deepEqual(targetOf({ dataDir: undefined, env: { WRENN_DATA_DIR: directory.path } }), local);
  });

  it("does not believe what a dead platform wrote", () => {
    using directory = dataDirectory({ alive: false });
    assert.equal(targetOf({ dataDir: directory.path, env: {} }).url, "http://127.0.0.1:8000");
  });

  it("is what the environment says", () => {
    using directory = dataDirectory({ alive: true });
    const env = { WRENN_URL: "https://wrenn.example", WRENN_API_KEY: "wrn_mine" };
    assert.deepEqual(targetOf({ dataDir: directory.path, env }), {
      url: "https://wrenn.example",
      apiKey: "wrn_mine",
    });
  });

  it("keeps this machine's key on this machine", () => {
    using directory = dataDirectory({ alive: true });
    const env = { WRENN_URL: "https://wrenn.example" };
    assert.throws(() => targetOf({ dataDir: directory.path, env }), /set WRENN_API_KEY/);
  });
});

describe("isLoopback()", () => {
  it("is not fooled by names", () => {
    for (const url of ["http://127.0.0.1:1", "http://localhost", "http://[::1]:8000"])
      assert.ok(isLoopback(url), url);
    for (const url of [
      "http://127.0.0.1.evil.example",
      "http://localhost.evil.example",
      "http://127.0.0.1@evil.example",
      "x",
    ]) {
      assert.ok(!isLoopback(url), url);
    }
  });
});
