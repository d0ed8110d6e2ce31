// Disks of real machines: layers that are added while the guest writes, and a host's disk that is full.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import type { DiskLayer, Machine, MachineSpec } from "@wrenn/vmm";
import { lastRound, makeMachineDir, reachRound } from "./guest.ts";
import { fillWith, privateContent } from "./state.ts";
import { type Running, World } from "./world.ts";

describe("disks of a machine", { timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    world = await World.borrow();
  });
  after(() => world?.giveBack());

  async function hashOf({ path }: DiskLayer): Promise<string> {
    return createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }

  function layersOf(spec: MachineSpec): readonly DiskLayer[] {
    return spec.disks[0]?.layers ?? [];
  }

  /** Adds a layer and gives the machine's description with it. */
  async function grow({ spec, machine }: Running): Promise<MachineSpec> {
    const layer = await world.fixture.newLayer(spec);
    await machine.addLayer("root", layer);
    return { ...spec, disks: [{ id: "root", readOnly: false, layers: [...layersOf(spec), layer] }] };
  }

  it("get a layer while the guest writes: those below change no more, and what it wrote is kept", async () => {
    const first = await world.clone();
    const { machine } = first;
    await machine.resume();
    await reachRound(first.spec, machine, world.round + 1);
    let spec = await grow(first);
    const frozen = layersOf(spec).at(-2);
    const top = layersOf(spec).at(-1);
    assert.ok(frozen && top);
    const [hash, size] = [await hashOf(frozen), (await stat(top.path)).size];
    await reachRound(spec, machine, (await lastRound(spec)) + 5);
    assert.equal(await hashOf(frozen), hash);
    assert.ok((await stat(top.path)).size > size);

    // The rest is what forking does: save, add a layer to the source, let it go on; the copy uses what is below.
    await machine.pause();
    const round = await lastRound(spec);
    const pages = await privateContent(machine);
    const devicesPath = `${spec.dir}.devices`;
    await machine.saveDevices(devicesPath);
    const below = layersOf(spec);
    spec = await grow({ spec, machine });
    spec = await grow({ spec, machine });
    await machine.resume();
    const copy = await world.place({ layers: below });
    const copied = await world.fixture.vmm.restore(copy, { devicesPath, fillMemory: fillWith(pages) });
    await copied.resume();
    await Promise.all([reachRound(spec, machine, round + 5), reachRound(copy, copied, round + 5)]);
    assert.equal(await hashOf(frozen), hash);
    await machine.kill();
    await copied.kill();
  });

  it("stay as they are when a layer cannot be added", async () => {
    const { spec, machine } = await world.clone();
    const layer = await world.fixture.newLayer(spec);
    await assert.rejects(machine.addLayer("other", layer), { code: "not_found" });
    await assert.rejects(machine.addLayer("root", { ...layer, path: join(world.fixture.dir, "base") }), {
      code: "invalid_argument",
    });
    const absent = { ...layer, path: join(spec.dir, "absent") };
    await assert.rejects(machine.addLayer("root", absent), { code: "internal" });
    const noImage = { ...layer, path: join(spec.dir, "console.log") };
    await assert.rejects(machine.addLayer("root", noImage), { code: "internal" });
    await machine.addLayer("root", layer);
    await machine.resume();
    await reachRound(spec, machine, world.round + 4);
    await machine.kill();
  });

  it("report that the host's disk is full; the machine goes on, and says why it cannot be saved", async () => {
    const spec = await world.place();
    // The machine's directory is a small file system of its own.
    const dir = join(dirname(spec.dir), "small");
    await mkdir(dir);
    await run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", dir], { timeoutMs: 10_000 });
    let machine: Machine | undefined;
    try {
      await makeMachineDir({ dir, uid: spec.uid });
      const layer = await world.fixture.newLayer({ ...spec, dir });
      const layers = [...world.template.layers, layer];
      const moved = { ...spec, dir, disks: [{ id: "root", readOnly: false, layers }] };
      machine = await world.fixture.vmm.restore(moved, world.template);
      const failed = Promise.withResolvers<{ diskId: string; enospc: boolean }>();
      machine.onDiskError(failed.resolve);
      await assert.rejects(writeFile(join(dir, "filler"), Buffer.alloc(2 << 20)), { code: "ENOSPC" });
      await machine.resume();
      assert.deepEqual(await failed.promise, { diskId: "root", enospc: true });
      await machine.pause();
      await assert.rejects(machine.saveDevices(`${spec.dir}.devices`), { code: "internal" });
      await machine.resume();
    } finally {
      await machine?.kill();
      await run(["umount", dir], { timeoutMs: 10_000 });
    }
  });
});
