import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import type { Draft } from "@wrenn/snapshot";
import { Qcow2RootfsStore } from "../rootfs/qcow2.ts";
import { FakeHost, listeningLog, newRunningSandbox } from "../testing/fake-host.ts";
import { capture } from "./capture.ts";
import type { HostContext } from "./context.ts";
import { lifeDir, sandboxDir } from "./record.ts";
import type { Running, Sandbox } from "./sandbox.ts";

const UID = process.getuid?.() ?? 0;
const DRAFT = {
  storePages: async () => ({ stored: 0, zero: 0, unchanged: 0 }),
} as unknown as Draft;

describe("capture of a machine that goes on", () => {
  let host: FakeHost;
  let sandbox: Sandbox;
  let dir: string;
  beforeEach(async () => {
    host = await FakeHost.start();
    sandbox = newRunningSandbox();
    dir = lifeDir(host.dataDir, sandbox.id, 1);
    await mkdir(dir, { recursive: true });
  });
  afterEach(() => host[Symbol.asyncDispose]());

  /** Fails with what adding a layer fails with. Returns how often the machine was told to go on. */
  async function failWith(failure: Error): Promise<number> {
    let resumed = 0;
    const machine = {
      process: { pid: process.pid, startTime: 0 },
      memory: { privatePages: async () => new Uint32Array() },
      pause: async () => {},
      saveDevices: async () => {},
      addLayer: () => Promise.reject(failure),
      resume: async () => {
        resumed++;
      },
    };
    const rootfs = new Qcow2RootfsStore(host.dataDir);
    const context: HostContext = { ...host.context, rootfs };
    const running = { machine, dir, slot: { uid: UID } } as unknown as Running;
    const options = { operation: "snapshot", goesOn: true, draft: DRAFT, log: listeningLog().log } as const;
    await assert.rejects(capture(context, sandbox, running, options), (reason) => {
      assert.ok(reason instanceof WrennError);
      assert.equal(reason.code, WrennError.from(failure).code);
      return true;
    });
    return resumed;
  }

  const topsOnDisk = async () => {
    const record = await readFile(join(sandboxDir(host.dataDir, sandbox.id), "sandbox.json"), "utf8");
    return JSON.parse(record).life.tops;
  };

  it("takes the new top back when the disk takes no more layers, however often it is tried", async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.equal(await failWith(new WrennError("capacity", "64 layers already")), 1);
      assert.deepEqual(sandbox.life.tops, ["root-0"]);
      assert.deepEqual(await topsOnDisk(), ["root-0"]);
      assert.deepEqual(await readdir(dir), []);
    }
  });

  it("keeps both when the disk may have been frozen", async () => {
    assert.equal(await failWith(new WrennError("deadline_exceeded", "no answer")), 1);
    assert.deepEqual(sandbox.life.tops, ["root-0", "root-1"]);
    assert.deepEqual(await topsOnDisk(), ["root-0", "root-1"]);
    assert.deepEqual(await readdir(dir), ["root-1"]);
  });
});
