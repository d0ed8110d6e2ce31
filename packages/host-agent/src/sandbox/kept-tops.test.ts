import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { removeUnfinished } from "@wrenn/linux";
import { dropUnnamedKept, keepTops } from "./kept-tops.ts";
import { lifeDir, type SandboxRecord, sandboxDir, startingRecord } from "./record.ts";

const dataDir = mkdtempSync(join(tmpdir(), "wrenn-kept-"));
after(() => rmSync(dataDir, { recursive: true }));

const rootfs = { path: ({ dir }: { dir: string }, top: string) => join(dir, top) };

/** A sandbox whose machine has died with two tops. */
function dead(): SandboxRecord {
  const record = startingRecord({
    id: newSandboxId(),
    template: "minimal",
    vcpus: 1,
    memoryMb: 512,
    diskMb: 1024,
    timeoutSec: 0,
    ttlMode: "inactivity",
    onTimeout: "pause",
    envs: {},
  });
  const guest = { kernel: "", initramfs: "", agentDrive: "" };
  const tops = ["root-0", "root-1"];
  const dir = lifeDir(dataDir, record.id, 1);
  mkdirSync(dir, { recursive: true });
  for (const top of tops) writeFileSync(join(dir, top), top);
  return { ...record, lives: 1, life: { number: 1, slot: 0, process: null, base: null, tops, guest } };
}

describe("keepTops()", () => {
  // What it had done when the host agent died.
  for (const had of ["nothing", "linked one", "kept one", "kept one and not cleared up"]) {
    it(`keeps all after a crash that had ${had}, and leaves nothing else`, async () => {
      const record = dead();
      const dir = sandboxDir(dataDir, record.id);
      const content = had === "nothing" ? undefined : "root-0";
      if (content !== undefined && had !== "kept one") writeFileSync(join(dir, "kept-0.new"), content);
      if (content !== undefined && had !== "linked one") writeFileSync(join(dir, "kept-0"), content);
      writeFileSync(join(dir, "kept-7.new"), "of an earlier life");
      await removeUnfinished(dir);
      assert.deepEqual(await keepTops(rootfs, dataDir, record), ["kept-0", "kept-1"]);
      assert.deepEqual(readdirSync(dir).sort(), ["kept-0", "kept-1", "vm-1"]);
      for (const [index, top] of ["root-0", "root-1"].entries())
        assert.equal(readFileSync(join(dir, `kept-${index}`), "utf8"), top);
    });
  }
});

describe("dropUnnamedKept()", () => {
  it("removes what the record does not name, and nothing else", async () => {
    const record = dead();
    const dir = sandboxDir(dataDir, record.id);
    for (const name of ["kept-0", "kept-1", "sandbox.json"]) writeFileSync(join(dir, name), "");
    await dropUnnamedKept(dataDir, { ...record, kept: ["kept-0", "kept-1"] });
    assert.deepEqual(readdirSync(dir).sort(), ["kept-0", "kept-1", "sandbox.json", "vm-1"]);
    await dropUnnamedKept(dataDir, { ...record, kept: ["kept-0"] });
    await dropUnnamedKept(dataDir, { ...record, kept: [] });
    assert.deepEqual(readdirSync(dir).sort(), ["sandbox.json", "vm-1"]);
  });
});
