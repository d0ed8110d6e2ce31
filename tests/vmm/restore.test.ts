// Saved states with real machines: what one guest left is what the next one finds.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { PAGE_BYTES } from "@wrenn/vmm";
import { lastRound, reachRound } from "./guest.ts";
import { fillWith, keep, privateContent } from "./state.ts";
import { descriptors, NOTHING, World } from "./world.ts";

describe("saved state", { timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    world = await World.borrow();
  });
  after(() => world?.giveBack());

  it("starts two machines from one image, each going its own way", async () => {
    const both = await Promise.all([world.clone(), world.clone()]);
    assert.deepEqual(await Promise.all(both.map(({ spec }) => lastRound(spec))), [0, 0]);
    await Promise.all(both.map(({ machine }) => machine.resume()));
    await Promise.all(both.map(({ spec, machine }) => reachRound(spec, machine, world.round + 5)));
    await Promise.all(both.map(({ machine }) => machine.kill()));
  });

  it("carries a guest through generations, with the pages that it wrote and a further disk layer each", async () => {
    let { spec, machine } = await world.clone();
    await machine.resume();
    let round = world.round;
    for (let generation = 0; generation < 20; generation++) {
      await reachRound(spec, machine, round + 1);
      await machine.pause();
      round = await lastRound(spec);
      const pages = await privateContent(machine);
      assert.ok(pages.size > 100 && pages.size < (spec.memoryMb * 256) / 2, `${pages.size} pages`);
      const devicesPath = `${spec.dir}.devices`;
      await machine.saveDevices(devicesPath);
      await machine.kill();
      spec = await world.place({ layers: spec.disks[0]?.layers ?? [] });
      machine = await world.fixture.vmm.restore(spec, { devicesPath, fillMemory: fillWith(pages) });
      const restored = new Set(await machine.memory.privatePages());
      assert.ok([...pages.keys()].every((page) => restored.has(page)));
      await machine.resume();
    }
    await reachRound(spec, machine, round + 4);
    await machine.kill();
  });

  it("lets a machine go on from where it was saved", async () => {
    const { spec, machine } = await world.clone();
    await machine.resume();
    await reachRound(spec, machine, world.round + 1);
    await machine.pause();
    await machine.pause();
    await machine.saveDevices(`${spec.dir}.devices`);
    const stopped = await lastRound(spec);
    await machine.resume();
    await machine.resume();
    await reachRound(spec, machine, stopped + 4);
    await machine.kill();
  });

  it("makes an image of an image", async () => {
    const { spec, machine } = await world.clone();
    await machine.resume();
    await reachRound(spec, machine, world.round + 1);
    await machine.pause();
    const round = await lastRound(spec);
    using kept = await keep(machine, spec, world.template.image);
    await machine.kill();
    const next = {
      ...(await world.fixture.place({ layers: kept.layers })),
      memory: { kind: "image" as const, fd: kept.image.fd },
    };
    const restored = await world.fixture.vmm.restore(next, kept);
    await restored.resume();
    await reachRound(next, restored, round + 4);
    await restored.kill();
  });

  it("holds two processors as well", async () => {
    const two = await World.make({ vcpus: 2 });
    try {
      const spec = await two.place({ vcpus: 2 });
      const machine = await two.fixture.vmm.restore(spec, two.template);
      await machine.resume();
      await reachRound(spec, machine, two.round + 4);
      await machine.kill();
    } finally {
      await two.close();
    }
  });

  it("may write every page of its memory, also where the image holds none yet", async () => {
    const { machine } = await world.clone();
    const chunk = Buffer.alloc(MIB, 1);
    const { bytes } = machine.memory;
    for (let offset = 0; offset < bytes; offset += MIB) machine.memory.write(offset, chunk);
    assert.equal((await machine.memory.privatePages()).length, bytes / PAGE_BYTES);
    await machine.pause();
    await machine.kill();
  });

  it("leaves nothing behind, fifty times over", async () => {
    const before = descriptors();
    for (let i = 0; i < 50; i++) {
      const { spec, machine } = await world.clone();
      await machine.kill();
      assert.deepEqual(world.remains(spec), NOTHING);
    }
    assert.equal(descriptors(), before);
  });
});
