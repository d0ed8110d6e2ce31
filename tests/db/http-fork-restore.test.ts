// Fork and restore over HTTP: what they make and change, and what failures leave.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { sandboxCalls } from "./sandbox-calls.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
afterEach(() => {
  service.host.before = {};
  service.host.after = {};
  service.host.machines.incompatible = undefined;
});
after(() => service[Symbol.asyncDispose]());

const { act, look, statusOf, becomes, lastMessage, refuse, limit } = sandboxCalls(() => service);

describe("fork", () => {
  test("makes copies that differ in id and address, with the source's labels or new ones", async () => {
    const id = await service.sandbox({ metadata: { a: "1" }, timeout_sec: 42, vcpus: 2 });
    const { status, body } = await act(id, "fork", { count: 3 });
    assert.equal(status, 201);
    assert.equal(new Set(body.map((fork: { id: string }) => fork.id)).size, 3);
    assert.equal(new Set(body.map((fork: { host_ip: string }) => fork.host_ip)).size, 3);
    for (const fork of body) {
      assert.deepEqual(
        [fork.status, fork.vcpus, fork.timeout_sec, fork.template, fork.metadata],
        ["running", 2, 42, "minimal", { a: "1" }],
      );
      assert.ok(service.host.sandboxes.has(fork.id));
      assert.equal((await act(fork.id, "exec", { cmd: "echo" })).status, 200);
    }
    assert.equal(await statusOf(id), "running");
    const labelled = await act(id, "fork", { metadata: { b: "2" } });
    assert.deepEqual(
      labelled.body.map((fork: { metadata: object }) => fork.metadata),
      [{ b: "2" }],
    );
  });

  test("makes all or none within the quota", async () => {
    const key = await limit("forker", 4);
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    const before = service.host.callsOf("forkSandbox").length;
    assert.equal((await act(id, "fork", { count: 4 }, key)).status, 429);
    assert.equal(service.host.callsOf("forkSandbox").length, before, "the host was not asked");
    assert.equal((await service.call("GET", "/v1/sandboxes", { key })).body.length, 1);
    const answers = await Promise.all([
      act(id, "fork", { count: 2 }, key),
      act(id, "fork", { count: 2 }, key),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 429]);
    assert.equal((await service.call("GET", "/v1/sandboxes", { key })).body.length, 3);
  });

  test("a refusal of the host leaves no row, a failure leaves its reason, neither a machine", async () => {
    const key = await service.keyOf("unlucky");
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    refuse("forkSandbox", "capacity", Code.ResourceExhausted);
    assert.equal((await act(id, "fork", { count: 2 }, key)).status, 429);
    assert.equal((await service.call("GET", "/v1/sandboxes", { key })).body.length, 1);
    service.host.before = {};
    service.host.lose["forkSandbox"] = 1;
    assert.equal((await act(id, "fork", { count: 2 }, key)).status, 503);
    const rows = (await service.call("GET", "/v1/sandboxes?status=stopped", { key })).body;
    assert.equal(rows.length, 2);
    for (const row of rows) {
      assert.match(row.error, /cannot be reached/);
      assert.equal(service.host.sandboxes.has(row.id), false);
    }
    assert.equal((await service.call("GET", `/v1/sandboxes/${id}`, { key })).body.status, "running");
  });

  test("a copy that is deleted while it is made stays deleted", async () => {
    const key = await service.keyOf("hasty");
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    const reached = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    service.host.before["forkSandbox"] = () => {
      reached.resolve();
      return held.promise;
    };
    const forking = act(id, "fork", { count: 2 }, key);
    await reached.promise;
    const [victim] = (await service.call("GET", "/v1/sandboxes?status=starting", { key })).body;
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${victim.id}`, { key })).status, 204);
    held.resolve();
    const { status, body } = await forking;
    assert.equal(status, 201);
    assert.deepEqual(body.map((fork: { status: string }) => fork.status).sort(), ["running", "stopped"]);
    assert.equal(service.host.sandboxes.has(victim.id), false);
  });

  for (const [body, field] of [
    [{ count: 0 }, "count"],
    [{ count: 65 }, "count"],
    [{ count: "2" }, "count"],
    [{ metadata: { a: "x".repeat(4090) } }, "metadata"],
  ] as const) {
    test(`refuses ${JSON.stringify(body).slice(0, 30)}`, async () => {
      const id = await service.sandbox();
      const answer = await act(id, "fork", body);
      assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
    });
  }
});

describe("restore", () => {
  const snapshot = async (sandbox_id: string, name: string, key = service.key) => {
    const answer = await service.call("POST", "/v1/snapshots", { key, body: { sandbox_id, name } });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
  };

  test("rolls a running and a paused sandbox back; both run afterwards", async () => {
    const id = await service.sandbox();
    await snapshot(id, "point");
    for (const before of ["running", "paused"]) {
      if (before === "paused") await act(id, "pause");
      const { status, body } = await act(id, "restore", { snapshot: "point" });
      assert.deepEqual([status, body.status], [200, "running"]);
      assert.equal(body.host_ip, service.host.sandboxes.get(id)?.hostIp);
    }
    assert.match(
      String(lastMessage("restoreSandbox")["snapshot"]),
      /^snap-/,
      "the host knows it by another name",
    );
    assert.equal((await act(id, "restore", { snapshot: "minimal" })).status, 200, "and to the base template");
  });

  test("refuses one of another size, one that is not there, and another owner's", async () => {
    const big = await service.sandbox({ vcpus: 2 });
    await snapshot(big, "big");
    const id = await service.sandbox();
    const wrong = await act(id, "restore", { snapshot: "big" });
    assert.deepEqual([wrong.status, wrong.body.error.field], [400, "snapshot"]);
    const missing = await act(id, "restore", { snapshot: "nothing" });
    assert.deepEqual([missing.status, missing.body.error.field], [404, "snapshot"]);
    await snapshot(id, "lost");
    service.host.machines.snapshots.clear();
    const lost = await act(id, "restore", { snapshot: "lost" });
    assert.deepEqual([lost.status, lost.body.error.field], [404, "snapshot"], "the host has lost it");
    const key = await service.keyOf("other");
    const theirs = (await service.call("POST", "/v1/sandboxes", { key, body: { vcpus: 2 } })).body.id;
    assert.equal((await act(theirs, "restore", { snapshot: "big" }, key)).status, 404);
    assert.equal((await act(id, "restore", {})).body.error.field, "snapshot");
    assert.equal(await statusOf(id), "running");
  });

  test("a refusal puts it back where it was; a lost answer is found out", async () => {
    const id = await service.sandbox();
    await snapshot(id, "back");
    for (const before of ["running", "paused"]) {
      if (before === "paused") await act(id, "pause");
      service.host.machines.incompatible = "another processor";
      const { status, body } = await act(id, "restore", { snapshot: "back" });
      assert.deepEqual([status, body.error.code], [409, "snapshot_incompatible"]);
      assert.match(body.error.message, /another processor.*cold/);
      assert.equal(await statusOf(id), before);
      service.host.machines.incompatible = undefined;
    }
    service.host.lose["restoreSandbox"] = 1;
    assert.equal((await act(id, "restore", { snapshot: "back" })).status, 503);
    await becomes(id, "running");
    assert.equal((await look(id)).host_ip, service.host.sandboxes.get(id)?.hostIp);
  });

  test("of a paused sandbox takes a place of its owner's", async () => {
    const key = await limit("restorer", 1);
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    await act(id, "pause", {}, key);
    assert.equal((await service.call("POST", "/v1/sandboxes", { key })).status, 201);
    assert.equal((await act(id, "restore", { snapshot: "minimal" }, key)).status, 429);
  });
});
