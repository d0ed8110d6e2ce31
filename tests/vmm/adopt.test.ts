// A machine that outlives the process which started it, taken over by another one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ProcessIdentity } from "@wrenn/linux";
import type { MachineSpec } from "@wrenn/vmm";
import { lastRound, reachRound } from "./guest.ts";
import { fillWith, privateContent } from "./state.ts";
import { NOTHING, World } from "./world.ts";

const STARTER = join(import.meta.dirname, "starter.ts");

describe("adopting a machine", { timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    world = await World.borrow();
  });
  after(() => world?.giveBack());

  /** Has another process restore the machine and end. */
  async function startElsewhere(spec: MachineSpec): Promise<ProcessIdentity> {
    const fd = world.template.image.fd;
    const child = spawn(process.execPath, [STARTER], { stdio: ["pipe", "pipe", "inherit", fd] });
    const moved = { ...spec, memory: { kind: "image", fd: 3 } };
    child.stdin?.end(JSON.stringify({ spec: moved, devicesPath: world.template.devicesPath }));
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    const [status] = await once(child, "close");
    assert.equal(status, 0);
    return JSON.parse(Buffer.concat(chunks).toString()) as ProcessIdentity;
  }

  it("has it as if it had started it", async () => {
    const spec = await world.place();
    const identity = await startElsewhere(spec);
    const machine = await world.fixture.vmm.adopt(spec, identity);
    await reachRound(spec, machine, world.round + 2);
    await machine.addLayer("root", await world.fixture.newLayer(spec));
    await reachRound(spec, machine, (await lastRound(spec)) + 2);
    await machine.pause();
    const pages = await privateContent(machine);
    assert.ok(pages.size > 100);
    await machine.saveDevices(`${spec.dir}.devices`);
    await fillWith(pages)(machine.memory);
    await machine.resume();
    await reachRound(spec, machine, (await lastRound(spec)) + 2);
    await machine.kill();
    assert.deepEqual(await machine.exited, { status: null });
    assert.deepEqual(world.remains(spec), NOTHING);
  });

  it("is told when it ends", async () => {
    const spec = await world.place();
    const machine = await world.fixture.vmm.adopt(spec, await startElsewhere(spec));
    const began = performance.now();
    process.kill(machine.process.pid, "SIGKILL");
    assert.deepEqual(await machine.exited, { status: null });
    assert.ok(performance.now() - began < 2000);
    await machine.kill();
  });

  it("refuses a process that is another, has another user or another group, or does not answer", async () => {
    const spec = await world.place();
    const identity = await startElsewhere(spec);
    const { vmm } = world.fixture;
    const wrong: [MachineSpec, ProcessIdentity][] = [
      [spec, { ...identity, startTime: identity.startTime + 1 }],
      [{ ...spec, uid: spec.uid + 1 }, identity],
      [{ ...spec, cgroup: `${spec.cgroup}-other` }, identity],
      [{ ...spec, dir: join(world.fixture.dir, "elsewhere") }, identity],
    ];
    for (const [asked, process] of wrong)
      await assert.rejects(vmm.adopt(asked, process), { code: "not_found" });
    const machine = await vmm.adopt(spec, identity);
    // QEMU serves one client at a time, and that is taken.
    await assert.rejects(vmm.adopt(spec, identity), { code: "not_found" });
    await machine.kill();
    await assert.rejects(vmm.adopt(spec, identity), { code: "not_found" });
  });
});
