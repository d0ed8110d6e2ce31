// What a row says of a sandbox once the reconciler or a report has settled it, and what settles whatever else fails.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { newSandboxId } from "@wrenn/core";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import * as rounds from "./rounds.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

const becomes = (id: string, status: string) => rounds.becomes(service, id, status);
const endInTheRow = async (id: string) => {
  const { db } = service.database;
  const row = await db.selectFrom("sandboxes").select("expires_at").where("id", "=", id).executeTakeFirst();
  return row?.expires_at;
};

describe("what is settled", () => {
  test("says of a life that it settles what the answer would have said", async () => {
    const id = await service.sandbox();
    await service.call("POST", `/v1/sandboxes/${id}/pause`);
    const expiresAt = Date.now() + 42_000;
    const life = { ttlMode: "deadline", timeoutSec: 42, expiresAt, diskMb: 20_480 };
    service.host.sandboxes.set(id, { status: "running", template: "minimal", ...life });
    const running = await becomes(id, "running");
    assert.deepEqual(
      [running.timeout_sec, running.disk_mb, Date.parse(running.expires_at)],
      [42, 20_480, expiresAt],
    );
    service.host.sandboxes.set(id, { status: "paused", template: "minimal", ...life });
    const paused = await becomes(id, "paused");
    assert.equal(paused.expires_at, undefined);
    assert.equal(await endInTheRow(id), null);
  });

  test("a pause that a host reports ends the clock that it shows", async () => {
    const id = await service.sandbox();
    const { db } = service.database;
    const clock = { ttl_mode: "deadline", expires_at: new Date() } as const;
    await db.updateTable("sandboxes").set(clock).where("id", "=", id).execute();
    service.host.sandboxes.set(id, { status: "paused", template: "minimal" });
    service.host.reports = [{ id: `r-${id}`, sandboxId: id, status: "paused", reason: "its time was up" }];
    await becomes(id, "paused");
    assert.equal(await endInTheRow(id), null);
  });

  test("a machine that cannot be destroyed holds up nothing else", async () => {
    const [stuck, other, ended] = [newSandboxId(), newSandboxId(), await service.sandbox()];
    service.host.before["destroySandbox"] = () => {
      const asked = service.host.callsOf("destroySandbox").at(-1)?.message as
        | { sandboxId?: string }
        | undefined;
      if (asked?.sandboxId === stuck) throw hostError("internal", Code.Internal);
    };
    service.host.sandboxes.set(stuck, { status: "running", template: "minimal" });
    service.host.sandboxes.set(other, { status: "running", template: "minimal" });
    await eventually(async () => !service.host.sandboxes.has(other) || undefined);
    // What comes behind the strays in a round.
    service.host.reports = [
      { id: `r-${ended}`, sandboxId: ended, status: "stopped", reason: "of an earlier life" },
    ];
    await becomes(ended, "stopped");
    await becomes(ended, "running");
    assert.ok(service.host.sandboxes.has(stuck));
    service.host.before = {};
    await eventually(async () => !service.host.sandboxes.has(stuck) || undefined);
  });
});
