import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { processIdentity } from "@wrenn/linux";
import { readInstance, removeInstance, runningInstance, writeInstance } from "./instance.ts";

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), "wrenn-instance-"));
});
after(() => rmSync(directory, { recursive: true }));

describe("the instance file", () => {
  const self = processIdentity(process.pid);
  assert.ok(self);
  const instance = {
    url: "http://127.0.0.1:8000",
    pid: self.pid,
    start_time: self.startTime,
    block: 3,
    version: "0.1.0",
  };

  it("holds what was written, until it is removed", async () => {
    const path = join(directory, "instance.json");
    await writeInstance(path, instance);
    assert.deepEqual(await readInstance(path), instance);
    assert.deepEqual(readdirSync(directory), ["instance.json"]);
    await removeInstance(path);
    await removeInstance(path);
    assert.equal(await readInstance(path), undefined);
  });

  it("counts only while the very process that wrote it runs", async () => {
    const path = join(directory, "running.json");
    await writeInstance(path, instance);
    assert.deepEqual(await runningInstance(path), instance);
    await writeInstance(path, { ...instance, start_time: instance.start_time + 1 });
    assert.equal(await runningInstance(path), undefined);
  });

  it("is not believed when it is something else", async () => {
    const path = join(directory, "other.json");
    for (const text of [
      "",
      "{",
      "[]",
      '{"url":"x"}',
      '{"url":1,"pid":1,"start_time":1,"block":1,"version":"1"}',
    ]) {
      writeFileSync(path, text);
      assert.equal(await readInstance(path), undefined, text);
    }
  });
});
