import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readConfig } from "./config.ts";

const MINIMUM = { DATABASE_URL: "postgres://x", WRENN_HOSTS: "unix:/run/a.sock" };

describe("readConfig()", () => {
  test("has a default for all but the database and the hosts", () => {
    const config = readConfig(MINIMUM);
    assert.deepEqual(config.listen, { host: "127.0.0.1", port: 8000 });
    assert.deepEqual([config.maxRunning, config.reconcileMs, config.stallMs], [64, 30_000, 60_000]);
    assert.throws(() => readConfig({ WRENN_HOSTS: MINIMUM.WRENN_HOSTS }), /DATABASE_URL/);
    assert.throws(() => readConfig({ DATABASE_URL: MINIMUM.DATABASE_URL }), /WRENN_HOSTS/);
  });

  test("reads lists and IPv6", () => {
    const config = readConfig({ ...MINIMUM, WRENN_HOSTS: "unix:/a, https://h:9/", WRENN_LISTEN: "[::1]:80" });
    assert.deepEqual(config.hosts, ["unix:/a", "https://h:9"]);
    assert.deepEqual(config.listen, { host: "::1", port: 80 });
  });

  for (const [name, value] of [
    ["WRENN_LISTEN", "8000"],
    ["WRENN_LISTEN", "h:99999"],
    ["WRENN_LISTEN", "::1:80"],
    ["WRENN_HOSTS", "http://h:9"],
    ["WRENN_HOSTS", "unix:relative"],
    ["WRENN_MAX_RUNNING", "many"],
    ["WRENN_MAX_RUNNING", "-1"],
    ["WRENN_RECONCILE_MS", "1"],
    ["WRENN_MIGRATE", "yes"],
    ["WRENN_ALLOWED_ORIGINS", "https://a/path"],
    ["WRENN_HOST_TLS_CA", "/ca.pem"],
  ] as const) {
    test(`refuses ${name}=${value} by name`, () => {
      assert.throws(() => readConfig({ ...MINIMUM, [name]: value }), new RegExp(name));
    });
  }
});
