// Keys, templates, builds, and the routes of the service itself.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { eventually } from "./eventually.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

describe("keys", () => {
  test("the secret is in one answer and nowhere in the database", async () => {
    const made = await service.call("POST", "/v1/keys", { body: { name: "ci" } });
    assert.equal(made.status, 201);
    const { key, ...shown } = made.body;
    assert.match(key, /^wrn_[0-9a-f]{64}$/);
    assert.equal(shown.prefix, key.slice(0, 12));
    const listed = (await service.call("GET", "/v1/keys")).body;
    assert.deepEqual(listed[0], shown);
    const rows = await service.database.db.selectFrom("api_keys").selectAll().execute();
    assert.equal(JSON.stringify(rows).includes(key.slice(4)), false);
    assert.equal(
      rows.some((row) => row.hash.toString("hex") === key.slice(4)),
      false,
    );
  });

  test("the prefix e2b_ names the same key", async () => {
    const key = service.key.replace("wrn_", "e2b_");
    assert.equal((await service.call("GET", "/v1/keys", { key })).status, 200);
  });

  test("a revoked one stops working within a second, stays in the list, and may be revoked again", async () => {
    const { body } = await service.call("POST", "/v1/keys", { body: { name: "short-lived" } });
    assert.equal((await service.call("GET", "/v1/keys", { key: body.key })).status, 200);
    // Behind this process's back, as another control plane would do it.
    await service.database.db
      .updateTable("api_keys")
      .set({ revoked_at: new Date() })
      .where("id", "=", body.id)
      .execute();
    const revoked = performance.now();
    await eventually(
      async () => (await service.call("GET", "/v1/keys", { key: body.key })).status === 401 || undefined,
    );
    assert.ok(performance.now() - revoked < 1000);
    assert.equal((await service.call("DELETE", `/v1/keys/${body.id}`)).status, 204);
    const listed = (await service.call("GET", "/v1/keys")).body.find(
      ({ id }: { id: string }) => id === body.id,
    );
    assert.ok(listed.revoked_at);
  });

  test("revoking through the API is felt at once", async () => {
    const { body } = await service.call("POST", "/v1/keys", { body: { name: "gone" } });
    assert.equal((await service.call("GET", "/v1/keys", { key: body.key })).status, 200);
    assert.equal((await service.call("DELETE", `/v1/keys/${body.id}`)).status, 204);
    assert.equal((await service.call("GET", "/v1/keys", { key: body.key })).status, 401);
  });

  test("belong to an owner: others neither see nor revoke them, nor make any for somebody else", async () => {
    const key = await service.keyOf("tenant");
    const [mine] = (await service.call("GET", "/v1/keys", { key })).body;
    assert.equal((await service.call("GET", "/v1/keys", { key })).body.length, 1);
    assert.equal((await service.call("DELETE", `/v1/keys/${mine.id}`)).status, 404);
    const answer = await service.call("POST", "/v1/keys", { key, body: { name: "x", owner: "operator" } });
    assert.deepEqual([answer.status, answer.body.error.field], [403, "owner"]);
    assert.equal((await service.call("POST", "/v1/keys", { key, body: { name: "second" } })).status, 201);
    assert.equal((await service.call("DELETE", "/v1/keys/key-nope", { key })).status, 404);
  });

  test("a key's last use is noted", async () => {
    await eventually(async () => {
      const { body } = await service.call("GET", "/v1/keys");
      return body.some((entry: { last_used_at?: string }) => entry.last_used_at) || undefined;
    });
  });

  for (const [what, body, field] of [
    ["no name", {}, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name with a control character", { name: "a\n" }, "name"],
    ["an owner that is a path", { name: "a", owner: "../x" }, "owner"],
  ] as const) {
    test(`refuse ${what}`, async () => {
      const answer = await service.call("POST", "/v1/keys", { body });
      assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
    });
  }
});

describe("templates", () => {
  const build = (body: object, key = service.key) => service.call("POST", "/v1/templates", { body, key });
  const follow = (name: string, query = "") => service.call("GET", `/v1/templates/${name}/build${query}`);

  test("are listed as the hosts have them, for every owner", async () => {
    const key = await service.keyOf("reader");
    const { body } = await service.call("GET", "/v1/snapshots?type=base", { key });
    assert.deepEqual(body, [
      {
        name: "minimal",
        type: "base",
        vcpus: 1,
        memory_mb: 512,
        size_bytes: 4096,
        created_at: "2023-11-14T22:13:20.000Z",
      },
    ]);
    assert.deepEqual((await service.call("GET", "/v1/snapshots?type=snapshot", { key })).body, []);
  });

  test("a build is started once, followed with its log, and can be used when it is ready", async () => {
    const held = Promise.withResolvers<void>();
    service.host.before["building"] = () => held.promise;
    const [first, second] = await Promise.all([build({ name: "extra" }), build({ name: "extra" })]);
    assert.deepEqual([first.status, second.status], [202, 202]);
    assert.equal(service.host.callsOf("buildTemplate").length, 1, "one flight");
    const running = await eventually(async () => {
      const { body } = await follow("extra");
      return body.log.length > 0 ? body : undefined;
    });
    assert.deepEqual(
      [running.status, running.steps, running.log],
      ["building", [{ name: "install", status: "running" }], ["building extra"]],
    );
    assert.deepEqual((await follow("extra", `?offset=${running.next_offset}`)).body.log, []);
    assert.equal((await service.call("POST", "/v1/sandboxes", { body: { template: "extra" } })).status, 503);
    assert.equal((await build({ name: "extra", recipe: "other" })).status, 409);
    assert.equal((await service.call("DELETE", "/v1/templates/extra")).status, 409);
    held.resolve();
    service.host.before = {};
    const ready = await eventually(async () => {
      const { body } = await follow("extra");
      return body.status === "ready" ? body : undefined;
    });
    assert.deepEqual(ready.steps, [{ name: "install", status: "done", duration_ms: 5 }]);
    assert.ok(ready.finished_at);
    assert.equal((await build({ name: "extra" })).status, 409, "it is there");
    await service.sandbox({ template: "extra" });
    assert.equal((await service.call("DELETE", "/v1/templates/extra")).status, 204);
    assert.equal((await service.call("POST", "/v1/sandboxes", { body: { template: "extra" } })).status, 404);
  });

  test("a build that fails says why, and may be tried again", async () => {
    service.host.before["building"] = async () => {
      await delay(0);
      throw new Error("the mirror burned down");
    };
    assert.equal((await build({ name: "broken" })).status, 202);
    const failed = await eventually(async () => {
      const { body } = await follow("broken");
      return body.status === "error" ? body : undefined;
    });
    service.host.before = {};
    assert.equal(failed.steps[0].status, "error");
    assert.equal(typeof failed.error, "string");
    assert.equal((await service.call("POST", "/v1/sandboxes", { body: { template: "broken" } })).status, 404);
    assert.equal((await build({ name: "broken" })).status, 202);
    await eventually(async () => (await follow("broken")).body.status === "ready" || undefined);
  });

  test("an unknown recipe is a 404 at once and leaves nothing", async () => {
    const answer = await build({ name: "unknown" });
    assert.deepEqual([answer.status, answer.body.error.field], [404, "name"]);
    assert.equal((await follow("unknown")).status, 404);
  });

  test("are the operator's to build and to delete", async () => {
    const key = await service.keyOf("builder");
    assert.equal((await build({ name: "mine" }, key)).status, 403);
    assert.equal((await service.call("DELETE", "/v1/templates/minimal", { key })).status, 403);
    assert.equal((await service.call("DELETE", "/v1/snapshots/minimal", { key })).status, 403);
    assert.equal((await service.call("DELETE", "/v1/templates/nope", { key })).status, 404);
    assert.equal((await service.call("DELETE", "/v1/templates/%2e%2e", { key })).status, 404);
    assert.ok(service.host.templates.has("minimal"));
  });

  test("one that came to be on a host a moment ago can be used at once", async () => {
    service.host.templates.add("fresh");
    await service.sandbox({ template: "fresh" });
  });
});

describe("the service itself", () => {
  test("GET /v1/storage tells the operator, and nobody else, what is there and under whose names", async () => {
    const key = await service.keyOf("storer");
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    await service.call("POST", "/v1/snapshots", { key, body: { sandbox_id: id, name: "warm" } });
    const { status, body } = await service.call("GET", "/v1/storage");
    assert.equal(status, 200);
    const [host] = body.hosts;
    assert.deepEqual([host.host_id, host.free_bytes, host.total_bytes], ["fake", 2 ** 40, 2 ** 41]);
    const [image, snapshot] = host.entries;
    assert.deepEqual([image.kind, image.name, image.used_by], ["image", "minimal", ["template minimal"]]);
    assert.deepEqual(
      [snapshot.kind, snapshot.name, snapshot.size_bytes, snapshot.used_by],
      ["snapshot", "storer/warm", 8192, ["template storer/warm"]],
    );
    assert.equal((await service.call("GET", "/v1/storage", { key })).status, 403);
  });

  test("/health needs no key", async () => {
    const { status, body } = await service.call("GET", "/health", { key: null });
    assert.deepEqual([status, body.status, body.hosts], [200, "ok", 1]);
  });

  test("/metrics needs a key unless it comes from this machine itself", async () => {
    await service.sandbox();
    const direct = await service.call("GET", "/metrics", { key: null });
    assert.equal(direct.status, 200);
    const text = String(direct.body);
    assert.match(text, /^wrenn_sandboxes\{status="running"\} [1-9]/m);
    assert.match(
      text,
      /^wrenn_http_request_seconds_count\{route="\/v1\/sandboxes",method="POST",status="201"\} /m,
    );
    assert.match(text, /^wrenn_host_call_seconds_count\{method="createSandbox",outcome="ok"\} /m);
    const headers = { "x-forwarded-for": "198.51.100.7" };
    assert.equal((await service.call("GET", "/metrics", { key: null, headers })).status, 401);
    assert.equal((await service.call("GET", "/metrics", { headers })).status, 200);
    assert.equal((await service.call("GET", "/metrics", { key: "wrn_bad" })).status, 401);
  });

  test("/openapi.yaml is OpenAPI 3.1", async () => {
    const { status, body } = await service.call("GET", "/openapi.yaml", { key: null });
    const document = parse(String(body));
    assert.deepEqual([status, document.openapi], [200, "3.1.0"]);
    assert.ok(document.components.schemas.Sandbox);
  });

  test("/docs comes from here alone, with a policy that says so", async () => {
    const page = await fetch(`${service.url}/docs/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'; script-src 'self';/);
    const html = await page.text();
    assert.match(html, /swagger-ui/);
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
    for (const [, path] of html.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)) {
      assert.equal((await fetch(new URL(path as string, `${service.url}/docs/`))).status, 200, path);
    }
  });

  test("what happened to sandboxes is on record with who did it", async () => {
    let asked = 0;
    const call = (method: string, path: string) =>
      service.call(method, path, { headers: { "x-request-id": `audit-${++asked}` } });
    const made = await call("POST", "/v1/sandboxes");
    const path = `/v1/sandboxes/${made.body.id}`;
    const statuses = [];
    for (const [method, below] of [
      ["POST", "/pause"],
      ["POST", "/pause"],
      ["POST", "/resume"],
      ["DELETE", ""],
      ["DELETE", ""],
    ] as const)
      statuses.push((await call(method, path + below)).status);
    assert.deepEqual(statuses, [200, 409, 200, 204, 204]);
    const events = await service.database.db
      .selectFrom("audit_events")
      .select(["action", "owner", "request_id", "detail"])
      .where("subject", "=", made.body.id)
      .orderBy("id")
      .execute();
    // What was refused, or had happened already, is not among them.
    assert.deepEqual(events, [
      {
        action: "sandbox.create",
        owner: "operator",
        request_id: "audit-1",
        detail: { template: "minimal" },
      },
      { action: "sandbox.pause", owner: "operator", request_id: "audit-2", detail: {} },
      { action: "sandbox.resume", owner: "operator", request_id: "audit-4", detail: {} },
      { action: "sandbox.delete", owner: "operator", request_id: "audit-5", detail: {} },
    ]);
  });
});
