// The driver with a Firecracker that fails: what its caller is told, and that nothing is left.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { isAlive, kill } from "@wrenn/linux";
import { FirecrackerApi } from "./api/client.ts";
import { apiSocket } from "./layout.ts";
import { FirecrackerMachine } from "./machine.ts";
import { MemoryPicture } from "./memory-picture.ts";
import type { ServedMemory } from "./served-memory.ts";
import { FakeWorld, MEMORY_MB, worldTools } from "./testing/world.ts";

const world = new FakeWorld();
after(() => world[Symbol.dispose]());
beforeEach(() => {
  world.calls();
  world.cgroups.groups.clear();
});

const { saved, withFault, assertNothingLeft, names } = worldTools(world);

describe("a Firecracker that fails", () => {
  it("is killed, with its reason and its last words in the error", async () => {
    for (const at of ["machine", "bootSource", "drive", "network", "entropy", "action"]) {
      await withFault({ at, how: "refuses" }, () =>
        assert.rejects(world.vmm().start(world.spec(`refuses-${at}`)), (reason: WrennError) => {
          assert.equal(reason.code, "internal");
          assert.match(reason.message, /did not start: Firecracker refused .*: not today\nfake Firecracker$/);
          return true;
        }),
      );
      assertNothingLeft();
    }
  });

  it("that ends on the way is seen to", async () => {
    for (const at of ["listening", "machine", "action"]) {
      await withFault({ at, how: "dies" }, () =>
        assert.rejects(world.vmm().start(world.spec(`dies-${at}`)), { code: "unavailable" }, at),
      );
      assertNothingLeft();
    }
    const { devicesPath, image } = saved();
    const memory = { kind: "image", fd: image.fd } as const;
    await withFault({ at: "loadSnapshot", how: "dies" }, () =>
      assert.rejects(world.vmm().restore(world.spec("dies-load", { memory }), { devicesPath }), {
        code: "unavailable",
      }),
    );
    assertNothingLeft();
    image.close();
  });

  it("that never listens is given up", async () => {
    await withFault({ at: "listening", how: "never" }, () =>
      assert.rejects(world.vmm({ listenTimeoutMs: 300 }).start(world.spec("never")), {
        code: "deadline_exceeded",
      }),
    );
    assertNothingLeft();
  });

  it("that dies later says how, and every call says so", async () => {
    const machine = await world.vmm().start(world.spec("dies-later"));
    kill(machine.process, "SIGKILL");
    assert.deepEqual(await machine.exited, { status: 137 });
    for (const call of [() => machine.pause(), () => machine.resume(), () => machine.saveDevices("/x")])
      await assert.rejects(call(), { code: "unavailable" });
    await machine.kill();
    assertNothingLeft();
  });

  it("that dies, refuses or talks nonsense while it is saved leaves no state behind", async () => {
    const cases = [
      [{ at: "createSnapshot", how: "dies" }, "unavailable"],
      [{ at: "createSnapshot", how: "refuses" }, "internal"],
      [{ at: "describe", how: "nonsense" }, "internal"],
      [{ at: "describe", how: "endless" }, "internal"],
    ] as const;
    for (const [index, [fault, code]] of cases.entries()) {
      const path = join(world.dir, `fails-${index}.state`);
      await withFault(fault, async () => {
        const machine = await world.vmm().start(world.spec(`fails-${index}`));
        await assert.rejects(
          async () => {
            await machine.pause();
            await machine.saveDevices(path);
          },
          { code },
          JSON.stringify(fault),
        );
        await assert.rejects(machine.memory.privatePages(), { code: "invalid_state" });
        await machine.kill();
      });
      assert.throws(() => readFileSync(path), { code: "ENOENT" });
    }
  });

  it("and puts a link in the place of its socket leads nowhere", async () => {
    const spec = world.spec("link");
    const victim = await world.vmm().start(world.spec("victim"));
    const machine = await world.vmm().start(spec);
    rmSync(apiSocket(spec));
    symlinkSync(apiSocket(world.spec("victim")), apiSocket(spec));
    await assert.rejects(machine.pause(), { code: "unavailable" });
    world.calls();
    await machine.kill();
    assert.deepEqual(names(), [], "the other one was not spoken to");
    await victim.kill();
  });

  it("and puts a directory there, or whose memory cannot be let go, is gone all the same", async () => {
    const spec = world.spec("directory");
    const started = await world.vmm().start(spec);
    rmSync(apiSocket(spec));
    mkdirSync(join(apiSocket(spec), "deeper"), { recursive: true });
    const stuck = new WrennError("deadline_exceeded", "a read of saved memory does not come back");
    const machine = new FirecrackerMachine({
      spec,
      cgroup: world.cgroups.open(spec.cgroup),
      process: started.process,
      exited: started.exited,
      api: new FirecrackerApi({ path: apiSocket(spec), isAlive: () => isAlive(started.process) }),
      picture: MemoryPicture.create(MEMORY_MB),
      served: { stop: () => Promise.reject(stuck) } as unknown as ServedMemory,
      snapshotType: "Diff",
    });
    await assert.rejects(machine.kill(), stuck);
    assert.equal(isAlive(machine.process), false);
    assert.equal(existsSync(apiSocket(spec)), false);
    assertNothingLeft();
  });
});
