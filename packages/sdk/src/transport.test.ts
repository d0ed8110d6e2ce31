import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennApiError, WrennConnectionError } from "./index.ts";
import { answer, bodyOf, testService } from "./test-service.ts";

const REFUSED = { error: { code: "invalid_argument", message: "vcpus must be <= 8", field: "vcpus" } };

describe("a call", () => {
  it("sends key, request id, and JSON", async () => {
    let body = "";
    await using service = await testService({
      http: async (request, response) => {
        body = String(await bodyOf(request));
        answer(response, 201, { id: "sb-1" });
      },
    });
    const client = service.client({ requestId: () => "mine" });
    assert.deepEqual(await client.sandboxes.create({ vcpus: 2 }, { idempotencyKey: "k" }), { id: "sb-1" });
    const [request] = service.requests;
    assert.equal(request?.method, "POST");
    assert.equal(request?.url, "/v1/sandboxes");
    assert.equal(request?.headers["x-api-key"], "wrn_test");
    assert.equal(request?.headers["x-request-id"], "mine");
    assert.equal(request?.headers["idempotency-key"], "k");
    assert.deepEqual(JSON.parse(body), { vcpus: 2 });
  });

  it("throws a typed error with everything the answer says", async () => {
    await using service = await testService({
      http: (_request, response) => answer(response, 429, REFUSED, { "retry-after": "7" }),
    });
    await assert.rejects(service.client().sandboxes.create(), (error) => {
      assert.ok(error instanceof WrennApiError);
      const { status, code, message, field, requestId, retryAfterSec } = error;
      assert.deepEqual(
        { status, code, message, field, requestId, retryAfterSec },
        { status: 429, ...REFUSED.error, requestId: "r-1", retryAfterSec: 7 },
      );
      return true;
    });
    assert.equal(service.requests.length, 1);
  });

  it("reports an answer that is not JSON by its status", async () => {
    await using service = await testService({
      http: (_request, response) => {
        response.writeHead(502).end("<html>");
      },
    });
    await assert.rejects(service.client().sandboxes.get("sb-1"), { code: "unknown", status: 502 });
  });

  it("takes a repeated deletion that finds nothing for done, and not the first one", async () => {
    let calls = 0;
    const missing = { error: { code: "not_found", message: "there is no snapshot warm" } };
    await using service = await testService({
      http: (request, response) => {
        calls += 1;
        if (calls === 1) request.socket.destroy();
        else answer(response, 404, missing);
      },
    });
    await service.client().snapshots.delete("warm");
    assert.equal(calls, 2);
    await assert.rejects(service.client().snapshots.delete("warm"), { code: "not_found" });
  });

  it("repeats a read after a 503 and after a broken connection", async () => {
    let calls = 0;
    await using service = await testService({
      http: (request, response) => {
        calls += 1;
        if (calls === 1) request.socket.destroy();
        else if (calls === 2) answer(response, 503, { error: { code: "unavailable", message: "later" } });
        else answer(response, 200, { id: "sb-1" });
      },
    });
    assert.deepEqual(await service.client().sandboxes.get("sb-1"), { id: "sb-1" });
    assert.equal(calls, 3);
  });

  it("repeats a POST only with an idempotency key", async () => {
    let calls = 0;
    await using service = await testService({
      http: (request, response) => {
        calls += 1;
        if (calls <= 2) request.socket.destroy();
        else answer(response, 201, { id: "sb-1" });
      },
    });
    const { sandboxes } = service.client();
    await assert.rejects(sandboxes.create(), WrennConnectionError);
    assert.equal(calls, 1);
    await sandboxes.create({}, { idempotencyKey: "k" });
    assert.equal(calls, 3);
  });

  it("rejects with the reason of an aborted signal", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await using service = await testService({ http: () => controller.abort(reason) });
    const call = service.client().sandboxes.get("sb-1", { signal: controller.signal });
    await assert.rejects(call, (error) => error === reason);
  });

  it("says where it tried to connect", async () => {
    const service = await testService({});
    const client = service.client({ retries: 0 });
    await service[Symbol.asyncDispose]();
    await assert.rejects(client.health(), (error) => {
      assert.ok(error instanceof WrennConnectionError);
      assert.ok(error.message.includes(service.url) && error.message.includes("ECONNREFUSED"), error.message);
      return true;
    });
  });
});

describe("list()", () => {
  it("follows the cursor and passes the filter on", async () => {
    await using service = await testService({
      http: (request, response) => {
        const { searchParams } = new URL(request.url ?? "", "http://x");
        const isFirst = searchParams.get("next_token") === null;
        answer(response, 200, isFirst ? [{ id: "a" }, { id: "b" }] : [{ id: "c" }], {
          ...(isFirst && { "x-next-token": "n" }),
        });
      },
    });
    const list = service
      .client()
      .sandboxes.list({ status: "running", "metadata.owner": "me" }, { pageSize: 2 });
    assert.deepEqual(
      (await Array.fromAsync(list)).map(({ id }) => id),
      ["a", "b", "c"],
    );
    assert.deepEqual(
      service.requests.map((request) => request.url),
      [
        "/v1/sandboxes?status=running&metadata.owner=me&limit=2",
        "/v1/sandboxes?status=running&metadata.owner=me&limit=2&next_token=n",
      ],
    );
  });
});
