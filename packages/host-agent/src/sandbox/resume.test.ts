// A paused sandbox goes on, in phases that are logged, or is paused as before.
import assert from "node:assert/strict";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { confirming } from "../testing/fake-guest.ts";
import { FakeHost, GUEST_IMAGES, listeningLog, newSandbox } from "../testing/fake-host.ts";
import { readRecords, sandboxDir } from "./record.ts";
import { cloneOf, fromDiskOf, fromSnapshot, resumeSandbox } from "./resume.ts";
import type { Sandbox } from "./sandbox.ts";

let host: FakeHost;
let sandbox: Sandbox;
beforeEach(async () => {
  host = await FakeHost.start();
  host.addSnapshot("generation", { base: "copy", generation: 2 });
  sandbox = newSandbox({ status: "paused", snapshot: "generation" });
});
afterEach(() => host[Symbol.asyncDispose]());

describe("resumeSandbox()", () => {
  it("logs what each phase took", async () => {
    const { log, lines } = listeningLog();
    await resumeSandbox(host.context, sandbox, await fromSnapshot(host.context, "generation"), log);
    const line = lines.find(({ msg }) => msg === "sandbox goes on");
    const phases = line?.["phases"] as Record<string, number>;
    assert.deepEqual(Object.keys(phases), ["record", "turn", "slot", "disk", "machine", "resume", "init"]);
    const sum = Object.values(phases).reduce((total, ms) => total + ms, 0);
    assert.ok(Math.abs(sum - Number(line?.["ms"])) < 2, `${JSON.stringify(line)} is all of it`);
    await sandbox.running?.scope.close();
  });

  it("leaves it paused when its guest does not confirm its init", async () => {
    const before = sandbox.record;
    host.guest.answer = ({ init }) => confirming(init, { timeMs: 0 });
    const beginning = await fromSnapshot(host.context, "generation");
    const resuming = resumeSandbox(host.context, sandbox, beginning, listeningLog().log);
    await assert.rejects(resuming, /did not take over its clock$/);
    assert.equal(sandbox.running, undefined);
    const [found] = await readRecords(host.dataDir);
    for (const record of [sandbox.record, found?.record])
      assert.deepEqual(record, { ...before, lives: 1 }, "one more life was tried");
    assert.equal(host.events.at(-1), "free slot");
  });

  it("ends its machine when it cannot be recorded as running, and resumes it another time", async () => {
    const { log, lines } = listeningLog();
    const before = sandbox.record;
    const beginning = await fromSnapshot(host.context, "generation");
    const inTheWay = join(sandboxDir(host.dataDir, sandbox.id), "sandbox.json.new");
    host.guest.answer = ({ init }) => {
      mkdirSync(inTheWay);
      return confirming(init);
    };
    await assert.rejects(resumeSandbox(host.context, sandbox, beginning, log), { code: "EISDIR" });
    assert.equal(sandbox.running, undefined);
    assert.deepEqual({ ...sandbox.record, life: null }, { ...before, lives: 1 });
    assert.deepEqual(host.events.slice(-4), ["kill", "free memory image", "free disk", "free slot"]);
    assert.ok(lines.some(({ msg }) => msg === "could not record that a sandbox was not resumed"));

    // Nor when it cannot even be recorded that it begins.
    await assert.rejects(resumeSandbox(host.context, sandbox, beginning, log), { code: "EISDIR" });
    assert.equal(sandbox.status, "paused");

    rmdirSync(inTheWay);
    host.guest.answer = ({ init }) => confirming(init);
    await resumeSandbox(host.context, sandbox, beginning, log);
    assert.equal((await readRecords(host.dataDir))[0]?.record?.status, "running");
  });
});

describe("a snapshot that this host cannot continue", () => {
  const IMAGE = { kind: "image", name: GUEST_IMAGES.kernel } as const;
  beforeEach(() => {
    host.addSnapshot("strange", { vmm: { vmm: "qemu 6.1" }, disk: [IMAGE] });
    sandbox = newSandbox({ status: "paused", snapshot: "strange", layers: [IMAGE] });
  });

  it("is refused with the reason before anything is taken or recorded", async () => {
    const refusal = { code: "snapshot_incompatible", message: /vmm was qemu 6\.1 and is qemu 7\.2/ };
    await assert.rejects(fromSnapshot(host.context, "strange"), refusal);
    await assert.rejects(cloneOf(host.context, "strange"), refusal);
    assert.deepEqual([host.events, sandbox.status], [[], "paused"]);
  });

  it("leaves its disk, which can be booted", async () => {
    const beginning = fromDiskOf(sandbox.record, GUEST_IMAGES);
    await resumeSandbox(host.context, sandbox, beginning, listeningLog().log);
    assert.deepEqual([sandbox.status, sandbox.record.snapshot], ["running", null]);
    assert.ok(host.events.includes("boot"));
    await sandbox.running?.scope.close();
  });
});
