// What is on record of a sandbox: what happened to it while it went on, and what its owner did to it.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { sql } from "kysely";
import { eventually } from "./eventually.ts";
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

const { act, look, statusOf, becomes, paused } = sandboxCalls(() => service);

/** Events of a sandbox or a snapshot but for its creation, oldest first. */
async function eventsOf(subject: string) {
  const events = await service.database.db
    .selectFrom("audit_events")
    .select(["action", "detail", "owner", "request_id"])
    .where("subject", "=", subject)
    .where("action", "<>", "sandbox.create")
    .orderBy("id")
    .execute();
  return events;
}
const actionsOf = async (subject: string) => (await eventsOf(subject)).map(({ action }) => action);

const FULL = "the host's disk is full";
const event = (sandboxId: string, name: string, at: string) => ({
  id: `${name} ${sandboxId} ${at}`,
  sandboxId,
  status: "running",
  event: name,
  reason: FULL,
  atUnixMs: BigInt(Date.parse(at)),
});

/** Has the host report, and resolves when that was acknowledged. */
async function reported(...reports: ReturnType<typeof event>[]): Promise<void> {
  service.host.reports = reports;
  await eventually(async () => service.host.reports.length === 0 || undefined);
}

const [EARLY, LATE] = ["2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"];

describe("a host's disk that fails under a running sandbox", () => {
  test("is told its owner, on record once however often it is reported, and the sandbox goes on", async () => {
    const id = await service.sandbox();
    let failures = 2;
    service.host.before["acknowledgeReports"] = () => {
      if (failures-- > 0) throw new Error("the answer is lost");
    };
    await reported(event(id, "disk_full", EARLY));
    assert.ok(failures < 0, "it was repeated");
    const { status, error } = await look(id);
    assert.deepEqual([status, error], ["running", `${EARLY}: ${FULL}`]);
    const [row] = (await service.call("GET", "/v1/sandboxes")).body;
    assert.equal(row.error, error, "in lists too");
    const [only, ...more] = await eventsOf(id);
    assert.deepEqual([only?.action, only?.detail["reason"], only?.owner], ["sandbox.disk_full", FULL, null]);
    assert.deepEqual(more, []);
    assert.equal((await act(id, "exec", { cmd: "true" })).status, 200);

    await reported(event(id, "disk_full", LATE), event(id, "disk_error", LATE));
    assert.deepEqual(await actionsOf(id), ["sandbox.disk_full", "sandbox.disk_full", "sandbox.disk_error"]);
    assert.equal((await look(id)).error, `${LATE}: ${FULL}`);
  });

  test("is in the sandbox's log as an error", async () => {
    const id = await service.sandbox();
    await reported(event(id, "disk_full", EARLY));
    const { body } = await service.call("GET", `/v2/sandboxes/${id}/logs?level=error`);
    assert.deepEqual(
      body.logs.map(({ level, message }: { level: string; message: string }) => [level, message]),
      [["error", `sandbox.disk_full: ${FULL}`]],
    );
  });

  test("is said until the sandbox is resumed or restored", async () => {
    const id = await service.sandbox();
    for (const action of ["resume", "restore"]) {
      await reported(event(id, "disk_full", action === "resume" ? EARLY : LATE));
      assert.equal((await act(id, "pause")).status, 200);
      assert.match((await look(id)).error, /disk is full/, "a pause mends nothing");
      assert.equal((await act(id, action, action === "restore" ? { snapshot: "minimal" } : {})).status, 200);
      assert.equal((await look(id)).error, undefined, action);
    }
    await reported(event(id, "disk_error", LATE));
    assert.equal((await act(id, "pause")).status, 200);
    service.host.lose["resumeSandbox"] = 1;
    assert.equal((await act(id, "resume")).status, 503, "nobody knows whether it was resumed");
    await becomes(id, "running");
    assert.equal((await look(id)).error, undefined, "found to be resumed");
  });

  test("does not hide why a sandbox has ended, and is nothing to one that never was", async () => {
    const id = await service.sandbox();
    service.host.sandboxes.delete(id);
    const ended = { ...event(id, "", EARLY), status: "stopped", reason: "the guest shut down" };
    const unknown = newSandboxId();
    await reported(ended, event(id, "disk_full", EARLY), event(unknown, "disk_full", EARLY));
    assert.deepEqual([await statusOf(id), (await look(id)).error], ["stopped", "the guest shut down"]);
    assert.deepEqual(await actionsOf(id), ["sandbox.stopped", "sandbox.disk_full"]);
    assert.deepEqual(await eventsOf(unknown), []);
  });

  test("an event of a newer host's changes nothing", async () => {
    const id = await service.sandbox();
    await reported(event(id, "solar_flare", EARLY));
    assert.deepEqual([(await look(id)).error, await eventsOf(id)], [undefined, []]);
  });
});

describe("what an owner does to a sandbox", () => {
  const snapshot = (sandbox_id: string, name: string) =>
    service.call("POST", "/v1/snapshots", { body: { sandbox_id, name, leave: "paused" } });

  test("a restore is on record with its snapshot and who asked, whatever the status before; a refused one is not", async () => {
    const running = await service.sandbox();
    const saved = await paused();
    for (const id of [running, saved]) {
      const answer = await act(id, "restore", { snapshot: "minimal" });
      assert.equal(answer.status, 200);
      const last = (await eventsOf(id)).at(-1);
      assert.deepEqual(
        [last?.action, last?.detail, last?.owner, last?.request_id],
        ["sandbox.restore", { snapshot: "minimal" }, "operator", answer.headers.get("x-request-id")],
      );
    }
    service.host.machines.incompatible = "another processor";
    assert.equal((await act(running, "restore", { snapshot: "minimal" })).status, 409);
    assert.deepEqual(await actionsOf(running), ["sandbox.restore"]);
  });

  test("a snapshot that pauses is on record as both; one after which it runs is no pause", async () => {
    const id = await service.sandbox();
    assert.equal((await snapshot(id, "and-paused")).status, 201);
    assert.deepEqual(
      [await statusOf(id), await actionsOf(id), await actionsOf("and-paused")],
      ["paused", ["sandbox.pause"], ["snapshot.create"]],
    );
    const other = await service.sandbox();
    // A host that has made it, and could not pause.
    const { machines } = service.host;
    const take = machines.snapshot.bind(machines);
    machines.snapshot = (request) => take({ ...request, leave: "running" });
    try {
      assert.equal((await snapshot(other, "runs-on")).status, 201);
    } finally {
      machines.snapshot = take;
    }
    assert.deepEqual(
      [await statusOf(other), await actionsOf(other), await actionsOf("runs-on")],
      ["running", [], ["snapshot.create"]],
    );
  });

  /** While the host works, somebody else finds the row between two statuses and settles it. */
  function settledMeanwhile(id: string, method: string, status: "paused" | "running" | "stopped"): void {
    const stopped_at = status === "stopped" ? new Date() : null;
    const row = { status, stopped_at, worker: null, moves: sql<number>`moves + 1` };
    service.host.after[method] = async () => {
      await service.database.db.updateTable("sandboxes").set(row).where("id", "=", id).execute();
    };
  }

  test("what another control plane has settled the same way is on record, once", async () => {
    const id = await service.sandbox();
    for (const [action, to] of [
      ["pause", "paused"],
      ["resume", "running"],
      ["restore", "running"],
    ] as const) {
      settledMeanwhile(id, `${action}Sandbox`, to);
      const answer = await act(id, action, action === "restore" ? { snapshot: "minimal" } : {});
      assert.deepEqual([answer.status, answer.body.status], [200, to], action);
      service.host.after = {};
    }
    assert.deepEqual(await actionsOf(id), ["sandbox.pause", "sandbox.resume", "sandbox.restore"]);
  });

  test("what another has settled otherwise is refused, and not on record", async () => {
    const id = await service.sandbox();
    settledMeanwhile(id, "pauseSandbox", "stopped");
    const answer = await act(id, "pause");
    assert.deepEqual([answer.status, answer.body.error.code], [409, "invalid_state"]);
    assert.deepEqual(await actionsOf(id), []);
  });
});
