// Database and host drift apart, and come together again.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { newSandboxId } from "@wrenn/core";
import { deleteExpired } from "../../packages/control-plane/src/db/queries/retention.ts";
import {
  dropAbsentBaseTemplates,
  recordBaseTemplate,
} from "../../packages/control-plane/src/db/queries/templates.ts";
import { eventually } from "./eventually.ts";
import * as rounds from "./rounds.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  // A template is forgotten only when that time has passed.
  service = await testService({ WRENN_DESCRIBE_MS: "2000" });
});
after(() => service[Symbol.asyncDispose]());

const statusOf = (id: string) => rounds.sandboxOf(service, id);
const becomes = (id: string, status: string) => rounds.becomes(service, id, status);
const aRound = () => rounds.aRound(service);

describe("the reconciler", () => {
  test("stops a row whose machine is gone", async () => {
    const id = await service.sandbox();
    service.host.sandboxes.delete(id);
    assert.match((await becomes(id, "stopped")).error, /no longer on its host/);
  });

  test("takes over what the host says of a running one: paused, error", async () => {
    const paused = await service.sandbox();
    service.host.sandboxes.set(paused, { status: "paused", template: "minimal" });
    const broken = await service.sandbox();
    service.host.sandboxes.set(broken, { status: "error", template: "minimal" });
    await becomes(paused, "paused");
    await becomes(broken, "error");
  });

  for (const listsPaused of [true, false]) {
    test(`leaves a paused row alone that the host ${listsPaused ? "lists" : "does not list"}, and one that runs`, async () => {
      service.host.listsPaused = listsPaused;
      const running = await service.sandbox();
      const paused = await service.sandbox();
      await service.call("POST", `/v1/sandboxes/${paused}/pause`);
      await aRound();
      assert.deepEqual(
        [(await statusOf(running)).status, (await statusOf(paused)).status],
        ["running", "paused"],
      );
      assert.equal((await service.call("POST", `/v1/sandboxes/${paused}/resume`)).status, 200);
      service.host.listsPaused = true;
    });
  }

  test("finds a resume whose answer was lost", async () => {
    const id = await service.sandbox();
    await service.call("POST", `/v1/sandboxes/${id}/pause`);
    service.host.sandboxes.set(id, { status: "running", template: "minimal" });
    await becomes(id, "running");
  });

  test("destroys a machine that no row knows after the grace period, not before", async () => {
    const stray = newSandboxId();
    const appeared = performance.now();
    service.host.sandboxes.set(stray, { status: "running", template: "minimal" });
    await eventually(async () => !service.host.sandboxes.has(stray) || undefined);
    assert.ok(performance.now() - appeared >= 300);
  });

  test("a host that cannot be reached changes nothing", async () => {
    const id = await service.sandbox();
    const deleted = await service.sandbox();
    await service.host.goAway();
    await delay(500);
    assert.equal((await statusOf(id)).status, "running");
    assert.equal(
      (await service.call("DELETE", `/v1/sandboxes/${deleted}`)).status,
      204,
      "deletion works all the same",
    );
    await service.host.listen();
    assert.ok(service.host.sandboxes.has(deleted));
    await eventually(async () => !service.host.sandboxes.has(deleted) || undefined);
    assert.equal((await statusOf(id)).status, "running");
  });

  test("is healthy again only when it knows what a host did while it was away", async () => {
    for (let round = 0; round < 5; round++) {
      const id = await service.sandbox();
      await service.host.goAway();
      await eventually(async () => (await service.call("GET", "/health")).status === 503 || undefined);
      service.host.sandboxes.set(id, { status: "paused", template: "minimal" });
      await service.host.listen();
      await eventually(async () => (await service.call("GET", "/health")).status === 200 || undefined);
      assert.equal((await statusOf(id)).status, "paused", `round ${round}`);
    }
  });

  test("does not touch a create that is under way", async () => {
    const held = Promise.withResolvers<void>();
    service.host.before["createSandbox"] = () => held.promise;
    const creating = service.call("POST", "/v1/sandboxes");
    await aRound();
    service.host.before = {};
    held.resolve();
    assert.equal((await creating).status, 201);
  });

  test("settles what this control plane itself could not clean up", async () => {
    service.host.lose["createSandbox"] = 1;
    service.host.before["destroySandbox"] = () => {
      throw new Error("not now");
    };
    const answer = await service.call("POST", "/v1/sandboxes", { body: { metadata: { probe: "stuck" } } });
    assert.equal(answer.status, 503);
    const [row] = (await service.call("GET", "/v1/sandboxes?metadata.probe=stuck")).body;
    assert.ok(service.host.sandboxes.has(row.id));
    service.host.before = {};
    await becomes(row.id, "stopped");
    await eventually(async () => !service.host.sandboxes.has(row.id) || undefined);
  });

  test("cleans up what a control plane that died had begun", async () => {
    const id = await service.sandbox();
    const dead = { worker: 12345, status: "starting" as const };
    await service.database.db.updateTable("sandboxes").set(dead).where("id", "=", id).execute();
    assert.match((await becomes(id, "stopped")).error, /interrupted/);
    await eventually(async () => !service.host.sandboxes.has(id) || undefined);
    for (const status of ["pausing", "resuming"] as const) {
      for (const onHost of ["running", "paused", "error"]) {
        const left = await service.sandbox();
        service.host.sandboxes.set(left, { status: onHost, template: "minimal", hostIp: "10.11.7.7" });
        await service.database.db
          .updateTable("sandboxes")
          .set({ ...dead, status })
          .where("id", "=", left)
          .execute();
        const { host_ip } = await becomes(left, onHost);
        if (onHost !== "error") assert.equal(host_ip, onHost === "running" ? "10.11.7.7" : undefined);
      }
    }
    const template = {
      name: "half",
      type: "base" as const,
      status: "building" as const,
      store_name: "half",
      vcpus: 1,
      memory_mb: 512,
      worker: 12345,
    };
    await service.database.db.insertInto("templates").values(template).execute();
    await eventually(
      async () =>
        (await service.call("GET", "/v1/templates/half/build")).body.status === "error" || undefined,
    );
  });

  test("keeps a template that came to be while the hosts were asked", async () => {
    const { db } = service.database;
    const template = { vcpus: 1, memoryMb: 512, sizeBytes: 1, rootfsSha256: "", createdAt: new Date() };
    await recordBaseTemplate(db, { name: "just-built", ...template });
    await dropAbsentBaseTemplates(db, { present: ["minimal"], settledMs: 60_000 });
    const there = () =>
      db.selectFrom("templates").select("name").where("name", "=", "just-built").executeTakeFirst();
    assert.ok(await there());
    await dropAbsentBaseTemplates(db, { present: ["minimal"], settledMs: 0 });
    assert.equal(await there(), undefined);
  });

  test("forgets a template that no host holds any more", async () => {
    service.host.templates.add("passing");
    await service.sandbox({ template: "passing" });
    service.host.templates.delete("passing");
    await eventually(async () => {
      const { body } = await service.call("GET", "/v1/snapshots");
      return body.every(({ name }: { name: string }) => name !== "passing") || undefined;
    });
  });
});

describe("reports", () => {
  const report = (sandboxId: string, status: string, reason: string) => ({
    id: `r-${sandboxId}`,
    sandboxId,
    status,
    reason,
  });

  test("are applied, and acknowledged only then", async () => {
    const id = await service.sandbox();
    service.host.sandboxes.delete(id);
    let failures = 2;
    service.host.before["acknowledgeReports"] = () => {
      if (failures-- > 0) throw new Error("the answer is lost");
    };
    service.host.reports = [
      report(id, "stopped", "idle for 300 s"),
      report(newSandboxId(), "stopped", "unknown here"),
    ];
    await becomes(id, "stopped");
    await eventually(async () => service.host.reports.length === 0 || undefined);
    service.host.before = {};
    assert.ok(failures < 0, "they were repeated");
    assert.equal((await statusOf(id)).error, "idle for 300 s");
  });

  test("a pause that the host made by itself is taken over", async () => {
    const id = await service.sandbox();
    service.host.machines.pause(id);
    service.host.reports = [report(id, "paused", "idle")];
    assert.equal((await becomes(id, "paused")).host_ip, undefined);
  });

  test("a report of a pause that was resumed since is dropped", async () => {
    const id = await service.sandbox();
    await service.call("POST", `/v1/sandboxes/${id}/pause`);
    await service.call("POST", `/v1/sandboxes/${id}/resume`);
    const audit = () =>
      service.database.db
        .selectFrom("audit_events")
        .select("action")
        .where("subject", "=", id)
        .where("action", "=", "sandbox.paused")
        .execute();
    service.host.reports = [report(id, "paused", "idle")];
    await eventually(async () => service.host.reports.length === 0 || undefined);
    assert.deepEqual([(await statusOf(id)).status, await audit()], ["running", []]);
  });

  test("a late report of a pause does not touch a sandbox that was deleted", async () => {
    const id = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${id}`);
    service.host.reports = [report(id, "paused", "idle")];
    await eventually(async () => service.host.reports.length === 0 || undefined);
    assert.equal((await statusOf(id)).status, "stopped");
  });
});

describe("a restart of the control plane", () => {
  test("keeps running sandboxes and their keys", async () => {
    const id = await service.sandbox();
    await service.restart();
    assert.equal((await statusOf(id)).status, "running");
    assert.equal(
      (await service.call("POST", `/v1/sandboxes/${id}/exec`, { body: { cmd: "echo" } })).status,
      200,
    );
  });

  test("waits for a create that is under way", async () => {
    const reached = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    service.host.before["createSandbox"] = () => {
      reached.resolve();
      return held.promise;
    };
    const creating = service.call("POST", "/v1/sandboxes");
    await reached.promise;
    const restarted = service.restart();
    service.host.before = {};
    held.resolve();
    assert.equal((await creating).status, 201);
    await restarted;
  });
});

describe("retention", () => {
  test("takes away what is old, and nothing else", async () => {
    const { db } = service.database;
    const kept = await service.sandbox();
    const old = await service.sandbox();
    for (const id of [kept, old]) await service.call("DELETE", `/v1/sandboxes/${id}`);
    const longAgo = new Date(Date.now() - 25 * 3600_000);
    await db.updateTable("sandboxes").set({ stopped_at: longAgo }).where("id", "=", old).execute();
    await service.call("POST", "/v1/sandboxes", { headers: { "idempotency-key": "new" } });
    await service.call("POST", "/v1/sandboxes", { headers: { "idempotency-key": "old" } });
    await db.updateTable("idempotency_keys").set({ created_at: longAgo }).where("key", "=", "old").execute();
    assert.deepEqual(await deleteExpired(db, { auditDays: 30 }), {
      exec_tickets: 0,
      idempotency_keys: 1,
      sandboxes: 1,
      audit_events: 0,
    });
    assert.equal((await statusOf(kept)).status, "stopped");
  });
});
