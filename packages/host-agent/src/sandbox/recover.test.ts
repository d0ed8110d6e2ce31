import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { planSlot, processIdentity } from "@wrenn/linux";
import { FakeHost, GUEST_IMAGES, listeningLog, newRunningSandbox } from "../testing/fake-host.ts";
import type { HostContext } from "./context.ts";
import { lifeDir, type SandboxRecord, sandboxDir } from "./record.ts";
import { adopt, fateOf, isRunning, lookAt } from "./recover.ts";

const WRITTEN = "what the machine has written";

describe("adopt", () => {
  let host: FakeHost;
  let record: SandboxRecord;
  let dir: string;
  beforeEach(async () => {
    host = await FakeHost.start();
    record = newRunningSandbox({ layers: [{ kind: "image", name: GUEST_IMAGES.kernel }] }).record;
    dir = lifeDir(host.dataDir, record.id, 1);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "root-0"), WRITTEN);
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const broken = () => Promise.reject(new WrennError("internal", "it does not answer"));
  /** Fails with what the host does instead of what it is to. */
  const fails = async (rootfs: object) => {
    const context = {
      ...host.context,
      rootfs: { ...host.context.rootfs, adopt: async () => [], ...rootfs },
      slots: { release: async () => {} },
      vmm: { adopt: broken },
    } as unknown as HostContext;
    await assert.rejects(adopt(context, record, 0, listeningLog().log), /does not answer|suppressed/);
  };

  it("lets the life's files go once what it has written is kept", async () => {
    await fails({});
    assert.equal(existsSync(dir), false);
    assert.equal(await readFile(join(sandboxDir(host.dataDir, record.id), "kept-0"), "utf8"), WRITTEN);
    assert.ok(host.events.includes("free disk"));
  });

  it("leaves them when its disk cannot be taken over", async () => {
    await fails({ adopt: broken });
    assert.equal(await readFile(join(dir, "root-0"), "utf8"), WRITTEN);
  });

  it("leaves them when they cannot be kept", async () => {
    // A directory under the name that the file would get first: as a full disk, it lets nothing be kept.
    const blocked = join(sandboxDir(host.dataDir, record.id), "kept-0");
    await mkdir(join(blocked, "in the way"), { recursive: true });
    await fails({});
    assert.equal(await readFile(join(dir, "root-0"), "utf8"), WRITTEN);
    assert.ok(!host.events.includes("free disk"));
  });
});

describe("fateOf()", () => {
  const LAYERS = [{ kind: "image", name: GUEST_IMAGES.kernel } as const];
  const fate = (
    more: Partial<SandboxRecord>,
    { alive = false, published = false }: { alive?: boolean; published?: boolean } = {},
  ) => fateOf(newRunningSandbox(more).record, { alive, published: published ? LAYERS : undefined });
  const kept = (found: ReturnType<typeof fate>) => {
    assert.equal(found.kind, "keep");
    const { status, snapshot, own, next, life } = (found as Extract<typeof found, { kind: "keep" }>).record;
    return { status, snapshot, own, next, life };
  };
  const SAVED = { snapshot: "last", own: true, next: null, life: null };

  it("of a pause is what the name of its snapshot says", () => {
    const pausing = { status: "pausing", snapshot: "last", own: true, next: "next" } as const;
    for (const alive of [true, false])
      assert.deepEqual(kept(fate(pausing, { alive, published: true })), {
        ...SAVED,
        status: "paused",
        snapshot: "next",
      });
    assert.equal(fate(pausing, { alive: true }).kind, "adopt");
    assert.equal(fate(pausing).kind, "lost");
    const first = kept(
      fate({ status: "pausing", snapshot: "template", own: false, next: "next" }, { published: true }),
    );
    assert.deepEqual([first.snapshot, first.own], ["next", true]);
  });

  it("of what runs is to be taken over, or kept as it died", () => {
    assert.equal(fate({ status: "running" }, { alive: true }).kind, "adopt");
    assert.equal(fate({ status: "running" }).kind, "lost");
  });

  it("of what is on disk is to stay there, also in the middle of a resume", () => {
    for (const status of ["paused", "error"] as const)
      assert.deepEqual(kept(fate({ ...SAVED, status })), { ...SAVED, status });
    assert.equal(kept(fate({ ...SAVED, status: "resuming" })).status, "paused");
    const left = { ...SAVED, kept: ["kept-0"] };
    assert.equal(kept(fate({ ...left, status: "resuming" })).status, "stopped");
    assert.equal(kept(fate({ ...left, status: "stopped" })).status, "stopped");
  });

  it("of what never came to be, or was being deleted, is to go", () => {
    for (const status of ["pending", "starting", "stopped"] as const)
      assert.equal(fate({ status }, { alive: true }).kind, "remove", status);
  });
});

describe("lookAt()", () => {
  it("leaves a sandbox alone whose machine runs in another block", async () => {
    const uid = planSlot(7, 0).uid;
    const child = spawn("sleep", ["60"], { uid, gid: uid, stdio: "ignore" });
    const snapshots = { has: () => false } as never;
    try {
      const { record } = newRunningSandbox();
      const life = {
        ...record.life,
        process: processIdentity(child.pid ?? 0) ?? null,
      } as SandboxRecord["life"];
      const fate = (block: number, status: SandboxRecord["status"]) =>
        lookAt({ snapshots, block }, { ...record, status, life });
      for (const status of ["running", "pausing"] as const) {
        const found = fate(0, status);
        assert.equal(found.kind, "leave");
        assert.match("reason" in found ? found.reason : "", /runs in block 7 .* WRENN_BLOCK=7/);
        assert.equal(fate(7, status).kind, "adopt");
      }
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.equal(fate(0, "running").kind, "lost");
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("isRunning()", () => {
  it("of a process that is there is whether it runs as the machine's user of that block", () => {
    const own = processIdentity(process.pid);
    assert.ok(own);
    const life = { ...newRunningSandbox().life, process: own };
    assert.equal(isRunning(life, 0), false, "this one is a test");
    const uid = planSlot(0, life.slot).uid;
    const child = spawn("sleep", ["60"], { uid, gid: uid, stdio: "ignore" });
    try {
      const machine = { ...life, process: processIdentity(child.pid ?? 0) ?? null };
      assert.equal(isRunning(machine, 0), true);
      assert.equal(isRunning(machine, 1), false, "of a copy in another block");
      assert.equal(isRunning({ ...machine, slot: life.slot + 1 }, 0), false);
      assert.equal(isRunning({ ...machine, process: { pid: child.pid ?? 0, startTime: 1 } }, 0), false);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
