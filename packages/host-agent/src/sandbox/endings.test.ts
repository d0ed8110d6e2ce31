import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Scope } from "@wrenn/core";
import { FakeHost, GUEST_IMAGES, listeningLog, newRunningSandbox } from "../testing/fake-host.ts";
import { assertOver, Endings } from "./endings.ts";
import { lifeDir, readRecords, sandboxDir } from "./record.ts";
import { ReportLog } from "./reports.ts";
import type { Running, Sandbox } from "./sandbox.ts";
import { SandboxTable } from "./table.ts";

const IMAGE = { kind: "image", name: GUEST_IMAGES.kernel } as const;
const FROZEN = { kind: "layer", build: "1".repeat(32), index: 0 } as never;

describe("a machine that dies while its record cannot be written", () => {
  let host: FakeHost;
  let sandbox: Sandbox;
  let endings: Endings;
  let dir: string;
  let inTheWay: string;
  let died: (exit: { status: number }) => void;
  beforeEach(async () => {
    host = await FakeHost.start();
    sandbox = newRunningSandbox({ layers: [IMAGE] });
    dir = lifeDir(host.dataDir, sandbox.id, 1);
    inTheWay = join(sandboxDir(host.dataDir, sandbox.id), "sandbox.json.new");
    await mkdir(dir, { recursive: true });
    for (const top of ["root-0", "root-1"]) await writeFile(join(dir, top), top);
    const table = new SandboxTable();
    table.takeIn(sandbox);
    const { promise, resolve } = Promise.withResolvers<{ status: number }>();
    died = resolve;
    const machine = { exited: promise, onDiskError: () => {}, process: { pid: 1, startTime: 1 } };
    const scope = new Scope();
    scope.defer("directory", async () => {
      host.events.push("free directory");
    });
    const running = { machine, dir, slot: {}, freeCapacity: () => {}, scope } as unknown as Running;
    sandbox.running = running;
    const reports = await ReportLog.open(host.dataDir);
    endings = new Endings({ context: host.context, table, reports, log: listeningLog().log });
    await sandbox.updateLife(host.dataDir, { tops: ["root-0", "root-1"] });
    endings.watch(sandbox, running);
  });
  afterEach(() => host[Symbol.asyncDispose]());

  async function die(): Promise<void> {
    died({ status: 1 });
    await turn();
    await sandbox.lock.waitForUnlock();
  }
  const record = async () => (await readRecords(host.dataDir))[0]?.record;
  const kept = (name: string) => readFile(join(sandboxDir(host.dataDir, sandbox.id), name), "utf8");

  it("leaves what the record on disk names until it says what is there now", async () => {
    // A moment was frozen, and the record of that could not be written: what lies on it is another layer now.
    await mkdir(inTheWay);
    const frozen = { layers: [IMAGE, FROZEN], life: { ...sandbox.life, tops: ["root-1"] } };
    await assert.rejects(sandbox.update(host.dataDir, frozen), { code: "EISDIR" });
    await die();
    assert.deepEqual(host.events, [], "nothing has gone");
    assert.throws(() => assertOver(sandbox), { code: "unavailable" });
    const left = await record();
    assert.deepEqual([left?.layers, left?.life?.tops], [[IMAGE], ["root-0", "root-1"]]);
    assert.ok(left?.life?.tops.every((top) => existsSync(join(dir, top))));

    await rmdir(inTheWay);
    await endings.reapExpired();
    assert.deepEqual(host.events, ["free directory"]);
    assertOver(sandbox);
    const now = await record();
    assert.deepEqual([now?.status, now?.layers, now?.kept], ["stopped", [IMAGE, FROZEN], ["kept-0"]]);
    assert.equal(await kept("kept-0"), "root-1");
  });

  it("ends when that record names the same disk", async () => {
    await mkdir(inTheWay);
    await die();
    assert.deepEqual(host.events, ["free directory"]);
    assert.equal(sandbox.status, "stopped");
    assert.deepEqual([await kept("kept-0"), await kept("kept-1")], ["root-0", "root-1"]);
  });
});
