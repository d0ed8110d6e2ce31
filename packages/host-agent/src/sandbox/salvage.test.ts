import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeHost, GUEST_IMAGES, listeningLog, newSandbox } from "../testing/fake-host.ts";
import { adoptBeginning } from "./create.ts";
import { sandboxDir } from "./record.ts";
import { cloneOf, fromSnapshot, resumeSandbox } from "./resume.ts";
import { fromLeft } from "./salvage.ts";
import type { Sandbox } from "./sandbox.ts";

const guest = GUEST_IMAGES;

describe("what goes on of a sandbox whose machine died", () => {
  let host: FakeHost;
  beforeEach(async () => {
    host = await FakeHost.start();
    host.addSnapshot("booted", { generation: 1 });
    host.addSnapshot("moment", { base: "booted", generation: 2 });
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const left = ({ record }: Sandbox, cold = false) => fromLeft(host.context, record, { cold, guest });
  const NOT_SAVED = { code: "invalid_state", message: /was not paused since.*"start":"cold"/ };

  for (const source of ["booted", "moment"])
    it(`is the disk alone of a clone of ${source} that was not saved since`, async () => {
      const sandbox = newSandbox();
      mkdirSync(sandboxDir(host.dataDir, sandbox.id), { recursive: true });
      const { log } = listeningLog();
      const running = await adoptBeginning(host.context, sandbox, await cloneOf(host.context, source), log);
      await running.scope.close();
      await assert.rejects(left(sandbox), NOT_SAVED);
      const cold = await left(sandbox, true);
      assert.deepEqual([cold.kind, cold.onKept], ["cold", true]);
    });

  for (const own of ["booted", "moment"])
    it(`is the last generation of one that was, whatever number that has (${own})`, async () => {
      const sandbox = newSandbox({ status: "stopped", snapshot: own, own: true, kept: ["kept-0"] });
      const beginning = await left(sandbox);
      assert.equal(beginning.kind === "saved" && beginning.snapshot.id, own);
    });

  it("stays that over a resume, and is not over a restore to another moment", async () => {
    const { log } = listeningLog();
    for (const [to, isOwn] of [
      ["moment", true],
      ["booted", false],
    ] as const) {
      const sandbox = newSandbox({ status: "paused", snapshot: "moment", own: true });
      await resumeSandbox(host.context, sandbox, await fromSnapshot(host.context, to), log);
      assert.deepEqual([sandbox.record.snapshot, sandbox.record.own], [to, isOwn]);
      await sandbox.running?.scope.close();
      if (isOwn) await left(sandbox);
      else await assert.rejects(left(sandbox), NOT_SAVED);
    }
  });

  it("is told of a record from before that by the number of its generation", async () => {
    const { own: _, ...record } = newSandbox({ snapshot: "moment" }).record;
    assert.equal((await fromLeft(host.context, record, { cold: false, guest })).kind, "saved");
    const booted = { ...record, snapshot: "booted" };
    await assert.rejects(fromLeft(host.context, booted, { cold: false, guest }), NOT_SAVED);
  });
});
