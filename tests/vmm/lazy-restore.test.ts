// Memory that arrives while the guest runs, on real machines: every byte of it, once, and no more than is needed first.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MIB, type PageRange } from "@wrenn/core";
import { allowUserfaults, until, withdrawUserfaults } from "@wrenn/linux";
import { PAGE_BYTES } from "@wrenn/vmm";
import { lastRound, reachRound } from "./guest.ts";
import { cloneLazily, placeLazily, restoreLazily, wholeMemory } from "./lazy.ts";
import { descriptors, NOTHING, World } from "./world.ts";

/** Not an instance's: of those there are 256. */
const BLOCK = 1000;

const ZEROS = Buffer.alloc(PAGE_BYTES);
const pagesOf = ({ start, count }: PageRange) => Array.from({ length: count }, (_, i) => start + i);

describe("lazy restore", { timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    await allowUserfaults(BLOCK);
    world = await World.borrow();
  });
  after(async () => {
    await world?.giveBack();
    await withdrawUserfaults(BLOCK);
  });

  it("lets a guest go on while its memory arrives, and it finds every byte", async () => {
    const { spec, machine } = await cloneLazily(world);
    const { arrival } = machine;
    assert.ok(arrival);
    await machine.resume();
    await reachRound(spec, machine, world.round + 1);
    const { loaded, total } = arrival.progress;
    assert.ok(loaded > 0 && loaded < total, `${loaded} of ${total} pages before anything was pushed`);
    const touched = await arrival.settle();
    assert.ok(touched.length > 0);
    await arrival.complete;
    assert.deepEqual(arrival.progress, { loaded: total, total });
    await reachRound(spec, machine, (await lastRound(spec)) + 5);
    await machine.kill();
    assert.deepEqual(world.remains(spec), NOTHING);
  });

  it("loads what an earlier machine needed before it is asked for", async () => {
    const first = await cloneLazily(world);
    await first.machine.resume();
    await reachRound(first.spec, first.machine, world.round + 1);
    const workingSet = (await first.machine.arrival?.settle()) ?? [];
    await first.machine.kill();
    const sent = new Set(workingSet.flatMap(pagesOf));
    assert.ok(sent.size > 500, `${sent.size} pages`);
    const second = await cloneLazily(world, { workingSet });
    // The guest would race with what is sent, and on a busy machine be ahead of it.
    const memory = wholeMemory(world);
    const isZero = (page: number) =>
      memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES).equals(ZEROS);
    const contents = [...sent].filter((page) => !isZero(page)).length;
    const loaded = () => (second.machine.arrival?.progress.loaded ?? 0) >= contents;
    assert.ok(await until(loaded, { timeoutMs: 60_000 }), "is sent although nobody asks");
    await second.machine.resume();
    await reachRound(second.spec, second.machine, world.round + 1);
    const asked = (await second.machine.arrival?.settle()) ?? [];
    await second.machine.kill();
    // What was written last may not have been read yet.
    const again = asked.flatMap(pagesOf).filter((page) => sent.has(page));
    assert.ok(again.length < sent.size / 10, `${again.length} of ${sent.size} pages were asked for again`);
  });

  it("saves a machine whose memory has not all arrived: what is missing is as it was", async () => {
    let { spec, machine } = await cloneLazily(world);
    let memory = wholeMemory(world);
    let round = world.round;
    for (let generation = 0; generation < 3; generation++) {
      await machine.resume();
      await reachRound(spec, machine, round + 1);
      await machine.pause();
      const devicesPath = `${spec.dir}.devices`;
      await machine.saveDevices(devicesPath);
      round = await lastRound(spec);
      const pages = await machine.memory.privatePages();
      assert.ok(pages.length > 0 && pages.length < (spec.memoryMb * MIB) / PAGE_BYTES);
      memory = Buffer.from(memory);
      for (const page of pages)
        machine.memory.read(page * PAGE_BYTES, memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
      assert.notDeepEqual(machine.arrival?.progress.loaded, machine.arrival?.progress.total);
      await machine.kill();
      ({ spec, machine } = await restoreLazily(world, {
        memory,
        devicesPath,
        layers: spec.disks[0]?.layers ?? [],
      }));
    }
    await machine.resume();
    await machine.arrival?.settle();
    await machine.arrival?.complete;
    await reachRound(spec, machine, round + 4);
    await machine.kill();
  });

  it("goes on from where it was saved while its memory arrives", async () => {
    const { spec, machine } = await cloneLazily(world);
    await machine.resume();
    await reachRound(spec, machine, world.round + 1);
    void machine.arrival?.settle();
    await machine.pause();
    await machine.saveDevices(`${spec.dir}.devices`);
    const stopped = await lastRound(spec);
    await machine.resume();
    await reachRound(spec, machine, stopped + 4);
    await machine.arrival?.complete;
    await machine.kill();
  });

  it("ends the machine when its memory cannot be read", async () => {
    const { spec, machine } = await cloneLazily(world, { part: 0.5 });
    // It may ask for what is not there before it has confirmed that it runs.
    await machine.resume().catch((reason) => assert.equal(reason.code, "unavailable"));
    void machine.arrival?.settle();
    await assert.rejects(
      machine.arrival?.complete ?? Promise.resolve(),
      /ends before page|no such file|damaged/i,
    );
    await machine.exited;
    await machine.kill();
    assert.deepEqual(world.remains(spec), NOTHING);
  });

  it("leaves nothing behind, whenever it ends", async () => {
    await cloneLazily(world).then(({ machine }) => machine.kill());
    const before = descriptors();
    for (let i = 0; i < 6; i++) {
      const { spec, machine } = await cloneLazily(world);
      if (i % 2 === 0) await machine.resume();
      if (i % 3 === 0) void machine.arrival?.settle();
      await machine.kill();
      assert.deepEqual(world.remains(spec), NOTHING);
    }
    assert.equal(descriptors(), before);
  });

  it("refuses what does not go together", async () => {
    const spec = await placeLazily(world);
    const { vmm } = world.fixture;
    await assert.rejects(vmm.start(spec), { code: "invalid_argument" });
    const { devicesPath } = world.template;
    const fillMemory = async () => {};
    await assert.rejects(vmm.restore(spec, { devicesPath, fillMemory }), { code: "invalid_argument" });
  });
});
