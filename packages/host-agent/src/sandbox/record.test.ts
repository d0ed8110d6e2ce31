import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import type { SnapshotStore } from "@wrenn/snapshot";
import { readRecords, sandboxDir, startingRecord, writeRecord } from "./record.ts";
import { findEarlier } from "./take-over.ts";

const dataDir = mkdtempSync(join(tmpdir(), "wrenn-records-"));
after(() => rmSync(dataDir, { recursive: true }));

const whole = startingRecord({
  id: newSandboxId(),
  template: "minimal",
  vcpus: 1,
  memoryMb: 512,
  diskMb: 1024,
  timeoutSec: 0,
  ttlMode: "inactivity",
  onTimeout: "destroy",
  envs: {},
});
const [none, torn, newer, directory] = [newSandboxId(), newSandboxId(), newSandboxId(), newSandboxId()];

describe("records", () => {
  it("that are there and cannot be read are told from those that never were", async () => {
    await writeRecord(dataDir, whole);
    for (const id of [none, torn, newer, directory]) mkdirSync(sandboxDir(dataDir, id), { recursive: true });
    writeFileSync(join(sandboxDir(dataDir, torn), "sandbox.json"), '{"version": 2, "id": "sb');
    writeFileSync(join(sandboxDir(dataDir, newer), "sandbox.json"), JSON.stringify({ ...whole, version: 3 }));
    mkdirSync(join(sandboxDir(dataDir, directory), "sandbox.json"));
    const found = new Map((await readRecords(dataDir)).map((each) => [each.id, each]));
    assert.deepEqual(found.get(whole.id), { id: whole.id, record: whole });
    assert.deepEqual(found.get(none), { id: none, record: undefined });
    for (const [id, why] of [
      [torn, /JSON/],
      [newer, /version 3/],
      [directory, /EISDIR/],
    ] as const) {
      assert.equal(found.get(id)?.record, undefined);
      assert.match(found.get(id)?.unreadable ?? "", why);
    }
  });

  it("that cannot be read let the next agent leave their sandboxes alone", async () => {
    const snapshots = { has: () => false } as unknown as SnapshotStore;
    const fates = new Map(
      (await findEarlier({ dataDir, snapshots, block: 0 })).found.map(({ id, fate }) => [id, fate.kind]),
    );
    assert.deepEqual(
      [none, torn, newer, directory].map((id) => fates.get(id)),
      ["remove", "leave", "leave", "leave"],
    );
  });
});
