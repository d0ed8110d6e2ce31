// Sandboxes over HTTP: creating, looking, deleting, and the order in which requests are checked.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import { type TestService, testService } from "./service.ts";

const NOWHERE = "sb-0000000000000000";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

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

describe("GET /v1/sandboxes", () => {
  test("pages through everything once, newest first, with X-Next-Token", async () => {
    const key = await service.keyOf("pager");
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await service.call("POST", "/v1/sandboxes", { key })).body.id);
    const seen: string[] = [];
    let token: string | null = "";
    for (let pages = 0; token !== null; pages++) {
      assert.ok(pages < 3);
      const page = await service.call("GET", `/v1/sandboxes?limit=2${token && `&next_token=${token}`}`, {
        key,
      });
      seen.push(...page.body.map(({ id }: { id: string }) => id));
      token = page.headers.get("x-next-token");
    }
    assert.deepEqual(seen, ids);
    const all = await service.call("GET", "/v1/sandboxes", { key });
    assert.deepEqual(
      all.body.map(({ id }: { id: string }) => id),
      ids,
    );
    assert.equal(all.headers.get("x-next-token"), null);
  });

  test("filters by status, template and several metadata keys", async () => {
    const key = await service.keyOf("filter");
    const made = await service.call("POST", "/v1/sandboxes", {
      key,
      body: { metadata: { "a.b": "1", c: "2" } },
    });
    await service.call("POST", "/v1/sandboxes", { key, body: { metadata: { "a.b": "1" } } });
    const count = async (query: string) =>
      (await service.call("GET", `/v1/sandboxes?${query}`, { key })).body.length;
    assert.equal(await count("metadata.a.b=1"), 2);
    assert.equal(await count("metadata.a.b=1&metadata.c=2"), 1);
    assert.equal(await count("metadata.c=3"), 0);
    assert.equal(await count("template=minimal"), 2);
    assert.equal(await count("template=other"), 0);
    await service.call("DELETE", `/v1/sandboxes/${made.body.id}`, { key });
    assert.equal(await count("status=stopped"), 1);
    assert.equal(await count("status=running"), 1);
  });

  for (const [query, field] of [
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=01", "limit"],
    ["limit=1.0", "limit"],
    ["limit=1&limit=2", "limit"],
    ["limit=", "limit"],
    ["next_token=%21", "next_token"],
    ["next_token=AAAA", "next_token"],
    ["status=gone", "status"],
    ["bogus=1", "bogus"],
    ["metadata.=1", "metadata."],
    ["metadata.a=%00", "metadata.a"],
    ["template=..", "template"],
  ]) {
    test(`refuses ?${query} with a 400 that names ${field}`, async () => {
      const { status, body } = await service.call("GET", `/v1/sandboxes?${query}`);
      assert.equal(status, 400);
      assert.equal(body.error.field, field);
    });
  }
});

describe("DELETE /v1/sandboxes/{id}", () => {
  test("is a 204 however often and at once; the row answers as stopped", async () => {
    const id = await service.sandbox();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => service.call("DELETE", `/v1/sandboxes/${id}`)),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([204]));
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
    assert.equal(service.host.sandboxes.has(id), false);
    const { body } = await service.call("GET", `/v1/sandboxes/${id}`);
    assert.equal(body.status, "stopped");
    assert.equal(body.host_ip, undefined);
  });

  test("works in the status error", async () => {
    const id = await service.sandbox();
    await service.database.db
      .updateTable("sandboxes")
      .set({ status: "error" })
      .where("id", "=", id)
      .execute();
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
  });

  test("is a 404 for one that never was, and 24 hours after the end", async () => {
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${NOWHERE}`)).status, 404);
    const id = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${id}`);
    const ended = new Date(Date.now() - 24 * 3600_000 - 1000);
    await service.database.db
      .updateTable("sandboxes")
      .set({ stopped_at: ended })
      .where("id", "=", id)
      .execute();
    assert.equal((await service.call("GET", `/v1/sandboxes/${id}`)).status, 404);
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 404);
  });
});

describe("the order of checks", () => {
  const bad = { bogus: 1 };
  test("size before key: 413", async () => {
    const { status } = await service.call("POST", `/v1/sandboxes/${NOWHERE}/exec`, {
      key: null,
      body: Buffer.alloc(1024 * 1024 + 1),
    });
    assert.equal(status, 413);
  });
  test("key before sandbox: 401", async () => {
    for (const key of [
      null,
      "",
      "wrn_",
      `wrn_${"0".repeat(64)}`,
      `WRN_${"0".repeat(64)}`,
      "x".repeat(5000),
    ]) {
      const { status } = await service.call("POST", `/v1/sandboxes/${NOWHERE}/exec`, { key, body: bad });
      assert.equal(status, 401, String(key));
    }
  });
  test("sandbox before body: 404, also for an id that cannot be one, and for another owner's", async () => {
    const id = await service.sandbox();
    const stranger = await service.keyOf("stranger");
    for (const [path, key] of [
      [NOWHERE],
      ["sb-UPPER"],
      ["..%2f"],
      ["%00"],
      ["x".repeat(90)],
      [id, stranger],
    ] as const) {
      const options = { body: "not json", ...(key !== undefined && { key }) };
      assert.equal((await service.call("POST", `/v1/sandboxes/${path}/exec`, options)).status, 404, path);
    }
    for (const [method, rest] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/pause"],
      ["POST", "/files/read"],
    ] as const) {
      assert.equal((await service.call(method, `/v1/sandboxes/${id}${rest}`, { key: stranger })).status, 404);
    }
    assert.equal((await service.call("GET", `/v1/sandboxes/${id}`)).body.status, "running", "untouched");
  });
  test("status before body: 409", async () => {
    // Not `resume`: what ended may have its disk still, so only the host can refuse it.
    const id = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${id}`);
    for (const action of ["exec", "ping", "pause", "fork", "restore", "files/read", "exec/ticket"]) {
      const { status, body } = await service.call("POST", `/v1/sandboxes/${id}/${action}`, {
        body: "not json",
      });
      assert.deepEqual([status, body.error.code], [409, "invalid_state"], action);
    }
  });
  test("a content type that is none is as late as any other: 401, 404, 409, 415", async () => {
    const running = await service.sandbox();
    const stopped = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${stopped}`);
    for (const type of ["nonsense", "/", ""]) {
      const post = (id: string, key = service.key) =>
        service.call("POST", `/v1/sandboxes/${id}/exec`, {
          key,
          body: "{}",
          headers: { "content-type": type },
        });
      assert.equal((await post(running, "wrn_")).status, 401, type);
      assert.equal((await post(NOWHERE)).status, 404, type);
      assert.equal((await post(stopped)).status, 409, type);
      assert.equal((await post(running)).status, 415, type);
    }
  });
  test("a body where none belongs is not looked at", async () => {
    const id = await service.sandbox();
    for (const [body, type] of [
      [Buffer.alloc(2 * 1024 * 1024), "application/json"],
      ["{", "nonsense"],
    ] as const) {
      const { status } = await service.call("DELETE", `/v1/sandboxes/${id}`, {
        body,
        headers: { "content-type": type },
      });
      assert.equal(status, 204, type);
    }
  });
  test("then the body: 415 and 400", async () => {
    const id = await service.sandbox();
    const plain = await service.call("POST", `/v1/sandboxes/${id}/exec`, {
      body: "{}",
      headers: { "content-type": "text/plain" },
    });
    assert.equal(plain.status, 415);
    const missing = await service.call("POST", `/v1/sandboxes/${id}/exec`, { body: {} });
    assert.deepEqual([missing.status, missing.body.error.field], [400, "cmd"]);
    const none = await service.call("POST", `/v1/sandboxes/${id}/exec`);
    assert.equal(none.status, 400);
  });
});

describe("what is not a route", () => {
  for (const [method, path] of [
    ["GET", "/"],
    ["GET", "/v1/nope"],
    ["PUT", "/v1/sandboxes"],
    ["PATCH", "/v1/sandboxes/x"],
    ["GET", "/v1/sandboxes/"],
  ] as const) {
    test(`${method} ${path} is a JSON 404`, async () => {
      const { status, body } = await service.call(method, path);
      assert.equal(status, 404);
      assert.equal(body.error.code, "not_found");
    });
  }
  test("a path that cannot be decoded is a JSON error", async () => {
    const { status, body } = await service.call("GET", "/v1/sandboxes/%ff");
    assert.ok(status === 400 || status === 404);
    assert.equal(typeof body.error.message, "string");
  });
  test("every answer has an id and the security headers", async () => {
    for (const path of ["/v1/nope", "/v1/sandboxes", "/health"]) {
      const { headers } = await service.call("GET", path, { headers: { "x-request-id": "bad id!" } });
      assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("x-frame-options"), "DENY");
    }
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

/** The last message that the host got by a method. */
function lastMessage(method: string): Record<string, unknown> {
  const last = service.host.callsOf(method).at(-1);
  assert.ok(last, `${method} was not called`);
  return last.message as Record<string, unknown>;
}
