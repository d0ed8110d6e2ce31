// Requests over HTTP: the order in which they are checked, and what is not a route.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestService, testService } from "./service.ts";

const NOWHERE = "sb-0000000000000000";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

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
