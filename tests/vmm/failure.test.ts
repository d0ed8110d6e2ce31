// Saved states that cannot be loaded, and machines that die at the worst moment: an error that says so, and nothing left.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { MemoryFile } from "@wrenn/linux";
import type { MachineSpec, SavedState } from "@wrenn/vmm";
import { descriptors, NOTHING, World } from "./world.ts";

describe("restoring that fails", { timeout: 600_000 }, () => {
  let world: World;
  let open = 0;
  before(async () => {
    world = await World.borrow();
    open = descriptors();
  });
  after(() => world?.giveBack());

  /** Tries to restore, and expects that error and that nothing is left. */
  async function assertFails(
    change: { spec?: Partial<MachineSpec>; saved?: Partial<SavedState> },
    error: { code: string; message?: RegExp },
  ): Promise<void> {
    const spec = { ...(await world.place()), ...change.spec };
    const saved = { devicesPath: world.template.devicesPath, ...change.saved };
    await assert.rejects(world.fixture.vmm.restore(spec, saved), error);
    assert.deepEqual(world.remains(spec), NOTHING);
    assert.equal(descriptors(), open);
  }

  it("does not load what is no state, or not all of it", async () => {
    const state = await readFile(world.template.devicesPath);
    const path = join(world.fixture.dir, "bad-state");
    const damaged = {
      empty: Buffer.alloc(0),
      zeros: Buffer.alloc(4096),
      truncated: state.subarray(0, state.length / 2),
      changed: Buffer.concat([state.subarray(0, 60), Buffer.alloc(40, 0xff), state.subarray(100)]),
    };
    for (const [name, content] of Object.entries(damaged)) {
      await writeFile(path, content);
      await assertFails(
        { saved: { devicesPath: path } },
        { code: "unavailable", message: /qemu-system/ },
      ).catch((cause) => {
        throw new Error(`${name} state`, { cause });
      });
    }
    await assertFails({ saved: { devicesPath: join(path, "absent") } }, { code: "not_found" });
  });

  it("does not load the state of a machine with other devices", async () => {
    await assertFails(
      { spec: { disks: [] } },
      { code: "unavailable", message: /did not take its saved state/ },
    );
  });

  it("refuses an image of another size", async () => {
    const image = MemoryFile.create("wrenn-test", 128 * MIB);
    open = descriptors();
    await assertFails({ spec: { memory: { kind: "image", fd: image.fd } } }, { code: "invalid_argument" });
    image.close();
    open = descriptors();
  });

  it("ends the machine when its memory cannot be filled", async () => {
    const fillMemory = () => Promise.reject(new Error("no such page"));
    await assertFails({ saved: { fillMemory } }, { code: "internal" });
  });

  it("notices that the machine died while its memory was filled", async () => {
    const spec = await world.place();
    const fillMemory: SavedState["fillMemory"] = async (memory) => {
      for (const pid of world.remains(spec).processes) process.kill(pid, "SIGKILL");
      memory.write(0, Buffer.alloc(4096));
    };
    await assertFails({ spec, saved: { fillMemory } }, { code: "unavailable" });
  });

  it("fails every call on a machine that has died, at once, and can still be cleaned up", async () => {
    const { spec, machine } = await world.clone();
    const layer = await world.fixture.newLayer(spec);
    process.kill(machine.process.pid, "SIGKILL");
    const began = performance.now();
    const assertAllFail = () =>
      Promise.all(
        [
          machine.pause(),
          machine.resume(),
          machine.saveDevices(join(world.fixture.dir, "never")),
          machine.addLayer("root", layer),
        ].map((call) => assert.rejects(call, { code: "unavailable" })),
      );
    await assertAllFail();
    await machine.exited;
    await assertAllFail();
    await assert.rejects(machine.memory.privatePages(), { code: "unavailable" });
    assert.throws(() => machine.memory.read(0, Buffer.alloc(8)), { code: "unavailable" });
    assert.throws(() => machine.memory.write(0, Buffer.alloc(8)), { code: "unavailable" });
    assert.ok(performance.now() - began < 5000);
    await machine.kill();
    await machine.kill();
    assert.deepEqual(world.remains(spec), NOTHING);
    assert.equal(descriptors(), open);
  });

  it("saves no state of a machine that runs, and none over a file", async () => {
    const { spec, machine } = await world.clone();
    const path = join(world.fixture.dir, "kept");
    await writeFile(path, "kept");
    await assert.rejects(machine.saveDevices(path), { code: "already_exists" });
    assert.equal(await readFile(path, "utf8"), "kept");
    await machine.resume();
    await assert.rejects(machine.saveDevices(`${spec.dir}.new`), { code: "invalid_state" });
    await machine.kill();
  });
});
