// A paused sandbox that cannot be rolled back stays what it is. One that runs goes on: tests/e2e/rpc.test.ts.
import assert from "node:assert/strict";
import { it } from "node:test";
import { WrennError } from "@wrenn/core";
import { FakeHost, listeningLog, newSandbox } from "../testing/fake-host.ts";
import { NotingTemplates, TEMPLATE } from "../testing/noting-templates.ts";
import { restoreSandbox } from "./restore.ts";

it("a restore to a booted copy that cannot be loaded changes nothing, and has another copy made", async () => {
  await using host = await FakeHost.start();
  host.addSnapshot("copy");
  host.restoreFailure = new WrennError("internal", "the saved state of devices cannot be loaded");
  const warm = new NotingTemplates(host);
  const sandbox = newSandbox({ status: "paused", snapshot: "generation" });
  const before = sandbox.record;
  const templates = { registry: warm.registry, warm };
  const restoring = restoreSandbox(host.context, templates, sandbox, TEMPLATE, listeningLog().log);
  await assert.rejects(restoring, host.restoreFailure);
  assert.deepEqual(sandbox.record, { ...before, lives: 1 });
  assert.deepEqual([sandbox.running, warm.wanted], [undefined, ["minimal"]]);
  assert.deepEqual(host.events, ["take slot", "load", "free memory image", "free disk", "free slot"]);
});
