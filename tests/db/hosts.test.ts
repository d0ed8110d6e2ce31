// Hosts by their ids: what one holds that goes by another name now, and two that go by one.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { eventually } from "./eventually.ts";
import { FakeHost } from "./fake-host.ts";
import { type TestService, testService } from "./service.ts";

describe("a host that goes by another name than before", () => {
  let service: TestService;
  before(async () => {
    service = await testService();
  });
  after(() => service[Symbol.asyncDispose]());

  test("keeps what rows of the former name want, and loses what no row wants", async () => {
    const { db } = service.database;
    const [paused, running, stopped] = [
      await service.sandbox(),
      await service.sandbox(),
      await service.sandbox(),
    ];
    await service.call("POST", `/v1/sandboxes/${paused}/pause`);
    service.host.sandboxes.set(stopped, { status: "stopped", template: "minimal" });
    await eventually(
      async () =>
        (await service.call("GET", `/v1/sandboxes/${stopped}`)).body.status === "stopped" || undefined,
    );
    const [host] = await db.selectFrom("hosts").selectAll().execute();
    assert.ok(host);
    await db
      .insertInto("hosts")
      .values({ ...host, id: "former" })
      .execute();
    await db.updateTable("sandboxes").set({ host_id: "former" }).execute();
    // It is destroyed by the round that would destroy the others.
    const stray = newSandboxId();
    service.host.sandboxes.set(stray, { status: "running", template: "minimal" });
    await eventually(async () => !service.host.sandboxes.has(stray) || undefined);
    assert.deepEqual(
      [paused, running, stopped].map((id) => service.host.sandboxes.get(id)?.status),
      ["paused", "running", "stopped"],
    );
  });
});

describe("two hosts with one id", () => {
  test("are not taken for one: the second is refused, with the reason", async () => {
    await using one = await FakeHost.start("twin");
    await using other = await FakeHost.start("twin");
    await using service = await testService({ WRENN_HOSTS: `${one.address},${other.address}` });
    const { body } = await service.call("GET", "/health", { key: null });
    assert.equal(body.hosts, 1, JSON.stringify(body));
    const { body: made } = await service.call("POST", "/v1/sandboxes", { body: {} });
    const held = [one, other].filter((host) => host.sandboxes.has(made.id));
    assert.equal(held.length, 1, "one of them is used");
    assert.deepEqual(
      (await service.database.db.selectFrom("hosts").select("id").execute()).map(({ id }) => id),
      ["twin"],
    );
  });
});
