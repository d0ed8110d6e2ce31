// Saved states with real machines: what one guest left is what the next one finds.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Scope } from "@wrenn/core";
import type { Machine, MachineSpec } from "@wrenn/vmm";
import { type Fixture, lastRound, makeFixture, reachRound } from "./guest.ts";
import { fillWith, type Kept, keep, privateContent } from "./state.ts";

describe("saved state", { timeout: 600_000 }, () => {
  const scope = new Scope();
  let fixture: Fixture;
  let template: Kept;
  let templateRound = 0;
  before(async () => {
    fixture = await scope.take("fixture", makeFixture, (made) => made.close());
    const spec = await fixture.place();
    const machine = await fixture.vmm.start(spec);
    await reachRound(spec, machine, 6);
    await machine.pause();
    // Once for nothing: a machine goes on from where it was saved.
    (await keep(machine, spec))[Symbol.dispose]();
    await machine.resume();
    await reachRound(spec, machine, 8);
    await machine.pause();
    template = await keep(machine, spec);
    scope.defer("template", () => template[Symbol.dispose]());
    templateRound = await lastRound(spec);
    await machine.kill();
  });
  after(() => scope.close());

  /** A machine that shares the template's memory and disk. */
  async function clone(): Promise<{ spec: MachineSpec; machine: Machine }> {
    const spec = withImage(await fixture.place({ layers: template.layers }));
    return { spec, machine: await fixture.vmm.restore(spec, { devicesPath: template.devicesPath }) };
  }

  function withImage(spec: MachineSpec): MachineSpec {
    return { ...spec, memory: { kind: "image", fd: template.image.fd } };
  }

  it("starts two machines from one image, each going its own way", async () => {
    const both = await Promise.all([clone(), clone()]);
    assert.deepEqual(await Promise.all(both.map(({ spec }) => lastRound(spec))), [0, 0]);
    await Promise.all(both.map(({ machine }) => machine.resume()));
    await Promise.all(both.map(({ spec, machine }) => reachRound(spec, machine, templateRound + 5)));
    await Promise.all(both.map(({ machine }) => machine.kill()));
  });

  it("carries a guest through generations, with the pages that it wrote and a further disk layer each", async () => {
    let { spec, machine } = await clone();
    await machine.resume();
    let round = templateRound;
    for (let generation = 0; generation < 20; generation++) {
      await reachRound(spec, machine, round + 1);
      await machine.pause();
      round = await lastRound(spec);
      const pages = await privateContent(machine);
      const devicesPath = `${spec.dir}.devices`;
      await machine.saveDevices(devicesPath);
      await machine.kill();
      const next = withImage(await fixture.place({ layers: spec.disks[0]?.layers ?? [] }));
      machine = await fixture.vmm.restore(next, { devicesPath, fillMemory: fillWith(pages) });
      assert.ok((await machine.memory.privatePages()).length >= pages.size);
      await machine.resume();
      spec = next;
    }
    await reachRound(spec, machine, round + 4);
    await machine.kill();
  });
});
