// Sandboxes over HTTP: making them, within the owner's quota, and keeping them awake.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import { sandboxCalls } from "./sandbox-calls.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

const { lastMessage } = sandboxCalls(() => service);

describe("POST /v1/sandboxes", () => {
  test("answers with a running sandbox and the documented defaults", async () => {
    const { body } = await service.call("POST", "/v1/sandboxes");
    const { id, created_at, started_at, last_active_at, last_updated, expires_at, ...rest } = body;
    assert.match(id, /^sb-[a-z0-9]{16}$/);
    assert.deepEqual(rest, {
      status: "running",
      template: "minimal",
      vcpus: 1,
      memory_mb: 512,
      disk_mb: 10240,
      timeout_sec: 300,
      on_timeout: "destroy",
      ttl_mode: "inactivity",
      guest_ip: "169.254.0.21",
      host_ip: "10.11.0.1",
      host_id: "fake",
      isolation: "tcg",
      metadata: {},
    });
    assert.equal(Date.parse(expires_at) - Date.parse(last_active_at), 300_000);
    assert.ok(created_at <= started_at && started_at <= last_updated);
  });

  test("passes everything on to the host, with the request's id", async () => {
    const body = {
      vcpus: 2,
      memory_mb: 256,
      disk_mb: 2048,
      timeout_sec: 0,
      on_timeout: "destroy",
      envs: { A: "b" },
      start: "cold",
      min_isolation: "tcg",
    };
    const made = await service.call("POST", "/v1/sandboxes", {
      body,
      headers: { "x-request-id": "trace-1" },
    });
    assert.equal(made.headers.get("x-request-id"), "trace-1");
    const sent = service.host.callsOf("createSandbox").at(-1);
    assert.equal(sent?.requestId, "trace-1");
    const { sandboxId, template, vcpus, memoryMb, diskMb, timeoutSec, onTimeout, envs, start, minIsolation } =
      lastMessage("createSandbox");
    assert.deepEqual(
      { sandboxId, template, vcpus, memoryMb, diskMb, timeoutSec, onTimeout, envs, start, minIsolation },
      {
        sandboxId: made.body.id,
        template: "minimal",
        vcpus: 2,
        memoryMb: 256,
        diskMb: 2048,
        timeoutSec: 0,
        onTimeout: "destroy",
        envs: { A: "b" },
        start: "cold",
        minIsolation: "tcg",
      },
    );
    assert.equal(made.body.expires_at, undefined, "no time-out, no expiry");
  });

  const invalid: [string, unknown, string | undefined][] = [
    ["an unknown field", { bogus: 1 }, "bogus"],
    ["a wrong type", { vcpus: "2" }, "vcpus"],
    ["a fraction", { vcpus: 1.5 }, "vcpus"],
    ["a value below its range", { memory_mb: 127 }, "memory_mb"],
    ["a value above its range", { vcpus: 9 }, "vcpus"],
    ["a name that is a path", { template: "../etc" }, "template"],
    ["a name with NUL", { template: "a\0b" }, "template"],
    ["metadata that is too large", { metadata: { a: "x".repeat(4090) } }, "metadata"],
    ["metadata with NUL", { metadata: { a: "\0" } }, "metadata.a"],
    ["metadata with half a surrogate pair", '{"metadata":{"a":"\\ud800"}}', "metadata.a"],
    ["a metadata value that is no text", { metadata: { a: 1 } }, "metadata.a"],
    ["a variable's name with =", { envs: { "A=B": "c" } }, "envs.A=B"],
    ["the name __proto__", '{"metadata":{"__proto__":"x"}}', "metadata.__proto__"],
    ["malformed JSON", '{"vcpus":', undefined],
    ["JSON that is no object", "[]", undefined],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), undefined],
  ];
  for (const [what, body, field] of invalid) {
    test(`refuses ${what} with a 400${field ? ` that names ${field}` : ""}`, async () => {
      const before = service.host.callsOf("createSandbox").length;
      const answer = await service.call("POST", "/v1/sandboxes", { body });
      assert.equal(answer.status, 400, JSON.stringify(answer.body));
      assert.equal(answer.body.error.field, field);
      assert.equal(service.host.callsOf("createSandbox").length, before);
    });
  }

  test("refuses an unknown template with a 404", async () => {
    const { status, body } = await service.call("POST", "/v1/sandboxes", { body: { template: "nope" } });
    assert.equal(status, 404);
    assert.equal(body.error.field, "template");
  });

  test("refuses isolation that no host gives with a 409", async () => {
    const { status, body } = await service.call("POST", "/v1/sandboxes", { body: { min_isolation: "kvm" } });
    assert.deepEqual([status, body.error.code], [409, "isolation_unavailable"]);
  });

  test("turns a full host into 429 with Retry-After, and leaves no row", async () => {
    const metadata = { probe: "full" };
    service.host.before["createSandbox"] = () => {
      throw hostError("capacity", Code.ResourceExhausted);
    };
    const { status, headers } = await service.call("POST", "/v1/sandboxes", { body: { metadata } });
    service.host.before = {};
    assert.equal(status, 429);
    assert.match(headers.get("retry-after") ?? "", /^\d+$/);
    assert.deepEqual((await service.call("GET", "/v1/sandboxes?metadata.probe=full")).body, []);
  });

  test("keeps the reason of a failed start, destroys what the host made, and stops the row", async () => {
    service.host.before["createSandbox"] = () => {
      throw hostError("internal", Code.Internal, "the boot failed: kernel panic");
    };
    const { status } = await service.call("POST", "/v1/sandboxes", { body: { metadata: { probe: "boot" } } });
    service.host.before = {};
    assert.equal(status, 500);
    const [row] = (await service.call("GET", "/v1/sandboxes?metadata.probe=boot")).body;
    assert.deepEqual([row.status, row.error], ["stopped", "the boot failed: kernel panic"]);
    const destroyed = service.host
      .callsOf("destroySandbox")
      .map((call) => (call.message as { sandboxId: string }).sandboxId);
    assert.ok(destroyed.includes(row.id));
  });

  test("goes on to a running sandbox when the client hangs up meanwhile", async () => {
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    service.host.before["createSandbox"] = () => {
      reached.resolve();
      return held.promise;
    };
    const client = new AbortController();
    const request = service.call("POST", "/v1/sandboxes", {
      body: { metadata: { probe: "hangup" } },
      signal: client.signal,
    });
    await reached.promise;
    client.abort();
    await assert.rejects(request);
    service.host.before = {};
    held.resolve();
    const row = await eventually(async () => {
      const [found] = (await service.call("GET", "/v1/sandboxes?metadata.probe=hangup&status=running")).body;
      return found;
    });
    assert.ok(service.host.sandboxes.has(row.id));
  });

  test("a deletion while it starts leaves nothing on the host", async () => {
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    service.host.before["createSandbox"] = () => {
      reached.resolve();
      return held.promise;
    };
    const creating = service.call("POST", "/v1/sandboxes", { body: { metadata: { probe: "race" } } });
    await reached.promise;
    const [{ id, status }] = (await service.call("GET", "/v1/sandboxes?metadata.probe=race")).body;
    assert.equal(status, "starting");
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
    service.host.before = {};
    held.resolve();
    assert.equal((await creating).status, 409);
    assert.equal(service.host.sandboxes.has(id), false);
    assert.equal((await service.call("GET", `/v1/sandboxes/${id}`)).body.status, "stopped");
  });
});

describe("the owner's quota", () => {
  test("is a 429, and two requests cannot both take the last place", async () => {
    const key = await service.keyOf("small");
    await service.database.db
      .updateTable("owners")
      .set({ max_running: 2 })
      .where("id", "=", "small")
      .execute();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => service.call("POST", "/v1/sandboxes", { key })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 429, 429, 429, 429]);
    const { body } = await service.call("GET", "/v1/sandboxes", { key });
    assert.equal(body.length, 2);
    for (const { id } of body) await service.call("DELETE", `/v1/sandboxes/${id}`, { key });
    assert.equal(
      (await service.call("POST", "/v1/sandboxes", { key })).status,
      201,
      "deleted ones do not count",
    );
  });
});

test("ping restarts the clock at the host and moves last_active_at", async () => {
  const id = await service.sandbox();
  const before = (await service.call("GET", `/v1/sandboxes/${id}`)).body.last_active_at;
  assert.equal((await service.call("POST", `/v1/sandboxes/${id}/ping`)).status, 204);
  const after = (await service.call("GET", `/v1/sandboxes/${id}`)).body.last_active_at;
  assert.ok(after > before);
  assert.equal(service.host.callsOf("pingSandbox").length, 1);
});
