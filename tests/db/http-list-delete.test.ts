// Sandboxes over HTTP: listing, filtering and deleting them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestService, testService } from "./service.ts";

const NOWHERE = "sb-0000000000000000";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

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
    assert.equal("deleted_at" in (await service.call("GET", `/v1/sandboxes/${id}`)).body, false);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => service.call("DELETE", `/v1/sandboxes/${id}`)),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([204]));
    const { body } = await service.call("GET", `/v1/sandboxes/${id}`);
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
    assert.equal(service.host.sandboxes.has(id), false);
    assert.equal(body.status, "stopped");
    assert.equal(body.host_ip, undefined);
    const listed = (await service.call("GET", "/v1/sandboxes?status=stopped")).body;
    const later = listed.find((sandbox: { id: string }) => sandbox.id === id);
    assert.ok(body.created_at <= body.deleted_at && body.deleted_at <= later.last_updated);
    assert.equal(later.deleted_at, body.deleted_at, "a repetition changes nothing");
  });

  test("is told by deleted_at, also of what its host could not start", async () => {
    service.host.before["createSandbox"] = () => {
      throw new Error("no machine today");
    };
    const key = await service.keyOf("unlucky");
    const refused = await service.call("POST", "/v1/sandboxes", { key });
    delete service.host.before["createSandbox"];
    assert.ok(refused.status >= 500);
    const [given] = (await service.call("GET", "/v1/sandboxes", { key })).body;
    assert.equal(given.status, "stopped");
    assert.ok(given.created_at <= given.deleted_at);
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
