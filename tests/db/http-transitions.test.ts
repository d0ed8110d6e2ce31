// Pause and resume over HTTP, and what is legal in which status: what they change, and what failures leave.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { SANDBOX_STATUSES, type SandboxStatus } from "@wrenn/core";
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

const { act, look, statusOf, becomes, paused, lastMessage, refuse, limit } = sandboxCalls(() => service);

describe("every action in every status", () => {
  const allowed: Record<string, readonly SandboxStatus[]> = {
    pause: ["running"],
    // What ended unasked may have left its disk with its host.
    resume: ["paused", "stopped"],
    fork: ["running"],
    restore: ["running", "paused"],
    exec: ["running"],
    ping: ["running"],
  };
  const bodies: Record<string, object> = { restore: { snapshot: "minimal" }, exec: { cmd: "true" } };
  for (const status of SANDBOX_STATUSES) {
    test(`${status}: ${
      Object.keys(allowed)
        .filter((action) => allowed[action]?.includes(status))
        .join(", ") || "nothing"
    } and deletion`, async () => {
      for (const [action, statuses] of Object.entries(allowed)) {
        const id = await service.sandbox();
        // A worker that lives: the reconciler leaves the row alone.
        const worker = await liveWorker();
        const row = { status, worker, stopped_at: status === "stopped" ? new Date() : null };
        await service.database.db.updateTable("sandboxes").set(row).where("id", "=", id).execute();
        if (status === "paused" || status === "stopped") service.host.machines.pause(id);
        const answer = await act(id, action, bodies[action]);
        const what = `${action} when ${status}: ${answer.status} ${JSON.stringify(answer.body)}`;
        if (statuses.includes(status)) assert.ok(answer.status < 300, what);
        else assert.deepEqual([answer.status, answer.body.error.code], [409, "invalid_state"], what);
        assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204, what);
        assert.equal(await statusOf(id), "stopped", what);
        assert.equal(service.host.sandboxes.has(id), false, what);
      }
    });
  }

  /** Somebody who holds a worker's lock, but is not this control plane. */
  async function liveWorker(): Promise<number> {
    const { Worker } = await import("../../packages/control-plane/src/db/worker.ts");
    const worker = new Worker({ url: service.database.url, onError: () => undefined });
    await worker.start();
    after(() => worker.close());
    return worker.id;
  }
});

describe("pause and resume", () => {
  test("move a sandbox to disk and back, with its time-out", async () => {
    const id = await service.sandbox({ timeout_sec: 77 });
    const off = await act(id, "pause", {});
    assert.deepEqual(
      [off.status, off.body.status, off.body.host_ip, off.body.expires_at, off.body.timeout_sec],
      [200, "paused", undefined, undefined, 77],
    );
    const on = await act(id, "resume");
    assert.deepEqual([on.status, on.body.status], [200, "running"]);
    assert.equal(on.body.host_ip, service.host.sandboxes.get(id)?.hostIp);
    assert.equal(Date.parse(on.body.expires_at) - Date.parse(on.body.last_active_at), 77_000);
    assert.deepEqual(
      [lastMessage("resumeSandbox")["timeoutSec"], lastMessage("resumeSandbox")["start"]],
      [77, ""],
    );
  });

  test("a refusal puts the sandbox back; one of two at once wins", async () => {
    const id = await service.sandbox();
    refuse("pauseSandbox", "no_space", Code.ResourceExhausted);
    assert.equal((await act(id, "pause")).status, 507);
    assert.equal(await statusOf(id), "running");
    service.host.before["pauseSandbox"] = () => delay(50);
    const answers = await Promise.all([1, 2, 3].map(() => act(id, "pause")));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409]);
  });

  test("a full host is a 429, and the sandbox stays paused", async () => {
    const id = await paused();
    refuse("resumeSandbox", "capacity", Code.ResourceExhausted);
    const { status, headers } = await act(id, "resume");
    assert.equal(status, 429);
    assert.match(headers.get("retry-after") ?? "", /^\d+$/);
    assert.equal(await statusOf(id), "paused");
  });

  test("a resume takes a place of its owner's, a pause gives it back", async () => {
    const key = await limit("two", 2);
    const make = () => service.call("POST", "/v1/sandboxes", { key });
    const [first, second] = [(await make()).body.id, (await make()).body.id];
    assert.equal((await act(first, "pause", {}, key)).status, 200);
    const third = (await make()).body.id;
    assert.ok(third);
    assert.equal((await act(first, "resume", {}, key)).status, 429);
    assert.equal((await act(second, "pause", {}, key)).status, 200);
    const answers = await Promise.all([act(first, "resume", {}, key), act(second, "resume", {}, key)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 429]);
  });

  for (const refusal of ["snapshot_incompatible", "snapshot_damaged"] as const) {
    test(`saved memory of no use is a 409 (${refusal}) that says why and offers a cold start, which works`, async () => {
      const id = await paused();
      const { machines } = service.host;
      Object.assign(machines, { refusal, incompatible: "it was saved by QEMU 8.0, this host runs 7.2" });
      const { status, body } = await act(id, "resume");
      assert.deepEqual([status, body.error.code], [409, refusal]);
      assert.match(body.error.message, /QEMU 8\.0.*\{"start":"cold"\}/);
      assert.equal(await statusOf(id), "paused");
      refuse("resumeSandbox", refusal, Code.FailedPrecondition);
      const cold = await act(id, "resume", { start: "cold" });
      assert.equal(cold.body.error.message, `the host says ${refusal}`, "what was asked for is not offered");
      service.host.before = {};
      assert.equal((await act(id, "resume", { start: "cold" })).status, 200);
      assert.equal(lastMessage("resumeSandbox")["start"], "cold");
    });
  }

  for (const [body, field] of [
    [{ start: "clone" }, "start"],
    [{ bogus: 1 }, "bogus"],
  ] as const) {
    test(`resume refuses ${JSON.stringify(body)}`, async () => {
      const answer = await act(await paused(), "resume", body);
      assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
    });
  }

  for (const [action, method, from, to] of [
    ["pause", "pauseSandbox", "running", "paused"],
    ["resume", "resumeSandbox", "paused", "running"],
  ] as const) {
    test(`a ${action} whose answer is lost is found out`, async () => {
      const id = from === "running" ? await service.sandbox() : await paused();
      service.host.lose[method] = 1;
      assert.equal((await act(id, action)).status, 503);
      await becomes(id, to);
      assert.equal((await look(id)).host_ip, service.host.sandboxes.get(id)?.hostIp);
    });

    test(`a ${action} that never reached the host puts the sandbox back`, async () => {
      const id = from === "running" ? await service.sandbox() : await paused();
      await service.host.goAway();
      assert.equal((await act(id, action)).status, 503);
      assert.equal(await statusOf(id), from);
      await service.host.listen();
      await eventually(async () =>
        (await service.call("GET", "/health")).status === 200 ? true : undefined,
      );
      assert.equal((await act(id, action)).status, 200);
    });

    test(`a ${action} that broke on the host becomes what the host says`, async () => {
      const id = from === "running" ? await service.sandbox() : await paused();
      refuse(method, "internal", Code.Internal);
      assert.equal((await act(id, action)).status, 500);
      await becomes(id, from);
    });
  }

  const listed = async (path: string): Promise<number> => (await service.call("GET", path)).body.length;
  const RUNNING = "/v1/sandboxes?status=running";
  const KEPT = "/v1/snapshots?type=snapshot";
  for (const { what, method, meanwhile = "running", path = what, body, counted } of [
    { what: "pause", method: "pauseSandbox", meanwhile: "pausing" },
    { what: "resume", method: "resumeSandbox", meanwhile: "resuming" },
    { what: "restore", method: "restoreSandbox", meanwhile: "resuming", body: { snapshot: "minimal" } },
    { what: "fork", method: "forkSandbox", counted: RUNNING },
    { what: "snapshot", method: "createSnapshot", path: "", body: { name: "kept" }, counted: KEPT },
  ])
    test(`a ${what} goes on when the client hangs up`, async () => {
      const id = what === "resume" ? await paused() : await service.sandbox();
      const before = counted === undefined ? 0 : await listed(counted);
      const calls = service.host.callsOf(method).length;
      const reached = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      service.host.before[method] = () => {
        reached.resolve();
        return held.promise;
      };
      const client = new AbortController();
      const url = path === "" ? "/v1/snapshots" : `/v1/sandboxes/${id}/${path}`;
      const request = service.call("POST", url, {
        signal: client.signal,
        body: { ...body, ...(path === "" && { sandbox_id: id }) },
      });
      await reached.promise;
      assert.equal(await statusOf(id), meanwhile);
      client.abort();
      await assert.rejects(request);
      held.resolve();
      if (counted !== undefined)
        await eventually(async () => (await listed(counted)) === before + 1 || undefined);
      await becomes(id, what === "pause" ? "paused" : "running");
      assert.equal(service.host.callsOf(method).length, calls + 1);
      if (what === "pause") assert.equal((await act(id, "resume")).status, 200);
    });

  test("a deletion meanwhile wins", async () => {
    const id = await service.sandbox();
    const reached = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    service.host.before["pauseSandbox"] = () => {
      reached.resolve();
      return held.promise;
    };
    const pausing = act(id, "pause");
    await reached.promise;
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
    held.resolve();
    assert.equal((await pausing).status, 409);
    assert.equal(await statusOf(id), "stopped");
    assert.equal(service.host.sandboxes.has(id), false);
  });

  test("a resume that fails late does not settle what another one began after the sandbox had ended", async () => {
    const id = await paused();
    const begun: PromiseWithResolvers<void>[] = [];
    const held: PromiseWithResolvers<void>[] = [];
    for (let at = 0; at < 2; at++) {
      begun.push(Promise.withResolvers());
      held.push(Promise.withResolvers());
    }
    let calls = 0;
    service.host.before["resumeSandbox"] = () => {
      const at = calls++;
      begun[at]?.resolve();
      return held[at]?.promise;
    };
    const early = act(id, "resume");
    await begun[0]?.promise;
    service.host.sandboxes.delete(id);
    service.host.reports = [{ id: `r-${id}`, sandboxId: id, status: "stopped", reason: "it died" }];
    await eventually(async () => (await statusOf(id)) === "stopped" || undefined);
    const late = act(id, "resume");
    await begun[1]?.promise;
    held[0]?.resolve();
    assert.equal((await early).status, 409);
    assert.equal(await statusOf(id), "resuming", "it is the second one's");
    held[1]?.resolve();
    assert.equal((await late).status, 409);
    assert.equal(await statusOf(id), "stopped");
  });

  test("a resume of what was deleted is refused, and it ended when it ended", async () => {
    const id = await service.sandbox();
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`)).status, 204);
    const ended = async () =>
      await service.database.db
        .selectFrom("sandboxes")
        .select(["status", "stopped_at", "error"])
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
    const before = await ended();
    for (const body of [{}, { start: "cold" }]) {
      const answer = await service.call("POST", `/v1/sandboxes/${id}/resume`, { body });
      assert.deepEqual([answer.status, answer.body.error.code], [409, "invalid_state"]);
      assert.deepEqual(await ended(), before);
    }
  });

  test("a deletion frees what a paused sandbox had saved, at once or when the host is back", async () => {
    const [here, away] = [await paused(), await paused()];
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${here}`)).status, 204);
    assert.equal(service.host.sandboxes.has(here), false);
    await service.host.goAway();
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${away}`)).status, 204);
    await service.host.listen();
    assert.ok(service.host.sandboxes.has(away));
    await eventually(async () => !service.host.sandboxes.has(away) || undefined);
  });

  test("on_timeout is the host's to say when nobody asked", async () => {
    const real = service.host.machines.create.bind(service.host.machines);
    service.host.machines.create = (request) => ({ ...real(request), onTimeout: "pause" });
    const { body } = await service.call("POST", "/v1/sandboxes");
    service.host.machines.create = real;
    assert.equal(body.on_timeout, "pause");
    assert.equal(lastMessage("createSandbox")["onTimeout"], "");
  });
});
