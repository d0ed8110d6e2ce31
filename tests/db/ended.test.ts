// What ended without being asked to: its host keeps the disk, and it is its owner's until that day is over.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "./eventually.ts";
import * as rounds from "./rounds.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

const statusOf = (id: string) => rounds.sandboxOf(service, id);
const becomes = (id: string, status: string) => rounds.becomes(service, id, status);

describe("the reconciler", () => {
  /** Its machine has died, which its host has reported: it keeps the disk. */
  async function ended(): Promise<string> {
    const id = await service.sandbox();
    service.host.sandboxes.set(id, { status: "stopped", template: "minimal" });
    service.host.reports = [{ id: `r-${id}`, sandboxId: id, status: "stopped", reason: "the machine died" }];
    await becomes(id, "stopped");
    return id;
  }

  test("leaves what ended unasked to its owner, who resumes it", async () => {
    const id = await ended();
    await delay(4 * 300);
    await rounds.aRound(service);
    assert.equal(service.host.sandboxes.get(id)?.status, "stopped");
    const kept = await statusOf(id);
    assert.deepEqual([kept.error, "deleted_at" in kept], ["the machine died", false]);
    assert.equal((await service.call("POST", `/v1/sandboxes/${id}/resume`)).status, 200);
    const running = await statusOf(id);
    assert.deepEqual([running.status, "deleted_at" in running], ["running", false]);
  });

  test("has it removed once its owner deletes it, also when its host was away, or its day is over", async () => {
    const [deleted, old] = [await ended(), await ended()];
    await service.host.goAway();
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${deleted}`)).status, 204);
    const answer = await service.call("POST", `/v1/sandboxes/${deleted}/resume`);
    assert.deepEqual([answer.status, /was deleted/.test(answer.body.error.message)], [409, true]);
    const { deleted_at, last_updated } = await statusOf(deleted);
    assert.ok(Date.parse(deleted_at) <= Date.parse(last_updated));
    assert.equal((await statusOf(old)).deleted_at, undefined);
    const longAgo = new Date(Date.now() - 25 * 3600_000);
    await service.database.db
      .updateTable("sandboxes")
      .set({ stopped_at: longAgo })
      .where("id", "=", old)
      .execute();
    await service.host.listen();
    await eventually(async () => !service.host.sandboxes.has(deleted) || undefined);
    await eventually(async () => !service.host.sandboxes.has(old) || undefined);
  });

  test("takes back what its host has whole: reported before a resume, or mended since", async () => {
    const resumed = await service.sandbox();
    service.host.reports = [
      { id: `r-${resumed}`, sandboxId: resumed, status: "stopped", reason: "of an earlier life" },
    ];
    await becomes(resumed, "stopped");
    assert.equal((await becomes(resumed, "running")).error, undefined);
    for (const status of ["stopped", "error"]) {
      const mended = await service.sandbox();
      service.host.sandboxes.set(mended, { status, template: "minimal" });
      await becomes(mended, status);
      service.host.sandboxes.set(mended, { status: "paused", template: "minimal" });
      assert.equal((await becomes(mended, "paused")).error, undefined);
      assert.equal((await service.call("POST", `/v1/sandboxes/${mended}/resume`)).status, 200);
    }
  });
});
