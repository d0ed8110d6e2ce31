// Runs inside a lab (firecracker.test.ts) that has a Firecracker: the driver and the real binary, without a host agent.
// The guest is that of tests/vmm: it writes patterns into memory and disk, checks them, and says so on its console.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { isAlive, kill, MemoryFile } from "@wrenn/linux";
import { lazyPagesRef, pageMap } from "@wrenn/snapshot";
import { lastRound, reachRound } from "../../vmm/guest.ts";
import { FirecrackerScene, MEMORY_MB } from "./firecracker-scene.ts";

describe("the driver and a real Firecracker", { timeout: 900_000 }, () => {
  let scene: FirecrackerScene;
  before(async () => {
    scene = await FirecrackerScene.open();
  });
  after(() => scene?.close());

  it("boots a guest, which goes on over generations of Diff snapshots, each in another process", async (context) => {
    const driver = await scene.vmm();
    let spec = await scene.place();
    const began = performance.now();
    let machine = scene.watch(await driver.start(spec));
    await reachRound(spec, machine, 2);
    context.diagnostic(`boot and two rounds: ${Math.round(performance.now() - began)} ms`);
    let image: MemoryFile | undefined;
    for (let generation = 0; generation < 3; generation++) {
      await machine.pause();
      const round = await lastRound(spec);
      const saved = await scene.save(spec, machine, image);
      context.diagnostic(
        `generation ${generation}: round ${round}, ${saved.pages} pages in ${Math.round(saved.savedMs)} ms`,
      );
      assert.ok(saved.pages > 100 && saved.pages < MEMORY_MB * 256, `${saved.pages} pages`);
      await machine.kill();
      image?.close();
      image = saved.image;
      const next = await scene.place(spec);
      const before = performance.now();
      machine = scene.watch(
        await driver.restore(
          { ...next, memory: { kind: "image", fd: image.fd } },
          { devicesPath: saved.devicesPath },
        ),
      );
      context.diagnostic(`generation ${generation}: loaded in ${Math.round(performance.now() - before)} ms`);
      assert.equal(await lastRound(next), 0, "it stands still");
      await machine.resume();
      await reachRound(next, machine, round + 2);
      spec = next;
    }
    await machine.kill();
    image?.close();
  });

  it("goes on from where it was saved, also twice, and the picture has all of it", async () => {
    const spec = await scene.place();
    const machine = scene.watch(await (await scene.vmm()).start(spec));
    await reachRound(spec, machine, 1);
    await machine.pause();
    await machine.pause();
    const first = await scene.save(spec, machine);
    await machine.resume();
    await machine.resume();
    await reachRound(spec, machine, (await lastRound(spec)) + 1);
    await machine.pause();
    const round = await lastRound(spec);
    const second = await scene.save(spec, machine);
    assert.ok(second.pages >= first.pages, `${second.pages} of at least ${first.pages}`);
    const copy = await scene.place(spec);
    await machine.kill();
    // From the second picture alone.
    const restored = scene.watch(
      await (await scene.vmm()).restore(
        { ...copy, memory: { kind: "image", fd: second.image.fd } },
        { devicesPath: second.devicesPath },
      ),
    );
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    await restored.kill();
    first.image.close();
    second.image.close();
  });

  it("goes on while its memory arrives, page by page as it is touched, and then all the rest", async (context) => {
    const driver = await scene.vmm();
    const spec = await scene.place();
    const machine = scene.watch(await driver.start(spec));
    await reachRound(spec, machine, 1);
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image } = await scene.save(spec, machine);
    const path = join(scene.dir, "whole.memory");
    const whole = Buffer.alloc(MEMORY_MB * MIB);
    image.read(0, whole);
    await writeFile(path, whole, { mode: 0o600 });
    image.close();
    const pages = MEMORY_MB * 256;
    const map = pageMap(pages, [{ start: 0, end: pages, build: "a".repeat(32), offset: 0 }]);
    const memory = { kind: "lazy", pages: lazyPagesRef({ map, paths: [path], workingSet: [] }) } as const;
    const copy = await scene.place(spec);
    await machine.kill();
    const restored = scene.watch(await driver.restore({ ...copy, memory }, { devicesPath }));
    const { arrival } = restored;
    assert.ok(arrival);
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    const { loaded, total } = arrival.progress;
    context.diagnostic(`two rounds later ${loaded} of ${total} pages have arrived`);
    assert.ok(loaded > 100 && loaded < total);
    // Saved before all of it is there: what was written since, and nothing else.
    await restored.pause();
    const early = await scene.save(copy, restored);
    early.image.close();
    assert.ok(early.pages > 100 && early.pages < pages / 2, `${early.pages} pages`);
    await restored.resume();
    assert.ok((await arrival.settle()).length > 0);
    await arrival.complete;
    await reachRound(copy, restored, (await lastRound(copy)) + 2);
    await restored.kill();
  });

  it("writes Full snapshots where written pages are not tracked", async (context) => {
    const driver = await scene.vmm({ trackDirtyPages: false });
    const spec = await scene.place();
    const machine = scene.watch(await driver.start(spec));
    await reachRound(spec, machine, 1);
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image, pages, savedMs } = await scene.save(spec, machine);
    context.diagnostic(`${pages} pages in ${Math.round(savedMs)} ms`);
    assert.equal(pages, MEMORY_MB * 256);
    const copy = await scene.place(spec);
    await machine.kill();
    const restored = scene.watch(
      await driver.restore({ ...copy, memory: { kind: "image", fd: image.fd } }, { devicesPath }),
    );
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    await restored.kill();
    image.close();
  });

  it("keeps its disk to what the host allows, also when that changes with a load", async (context) => {
    const slow = { disk: { bytesPerSec: 64 * 1024 } };
    const spec = await scene.place();
    const machine = scene.watch(await (await scene.vmm({ rates: slow })).start(spec));
    await reachRound(spec, machine, 1);
    const began = performance.now();
    const from = await lastRound(spec);
    // A round writes 64 KiB and reads up to four times that.
    await reachRound(spec, machine, from + 2);
    const slowMs = (performance.now() - began) / 2;
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image } = await scene.save(spec, machine);
    const copy = await scene.place(spec);
    await machine.kill();
    const restored = scene.watch(
      await (await scene.vmm()).restore(
        { ...copy, memory: { kind: "image", fd: image.fd } },
        { devicesPath },
      ),
    );
    await restored.resume();
    await reachRound(copy, restored, round + 1);
    const again = performance.now();
    await reachRound(copy, restored, round + 3);
    const fastMs = (performance.now() - again) / 2;
    context.diagnostic(`a round took ${Math.round(slowMs)} ms, and ${Math.round(fastMs)} ms without a bound`);
    assert.ok(slowMs > 2000 && fastMs < slowMs / 2);
    await restored.kill();
    image.close();
  });

  it("is taken over by another driver, watched, and ended", async () => {
    const spec = await scene.place();
    const first = scene.watch(await (await scene.vmm()).start(spec));
    await reachRound(spec, first, 1);
    const second = await (await scene.vmm()).adopt(spec, first.process);
    await second.pause();
    const { pages, image } = await scene.save(spec, second);
    assert.ok(pages > 100);
    image.close();
    await second.resume();
    await reachRound(spec, second, (await lastRound(spec)) + 1);
    kill(first.process, "SIGKILL");
    assert.deepEqual(await first.exited, { status: 137 });
    assert.deepEqual(await second.exited, { status: null });
    await second.kill();
  });

  it("says why it does not start or load, and nothing of it is left", async () => {
    const driver = await scene.vmm();
    const spec = await scene.place();
    await writeFile(join(scene.dir, "no-kernel"), "not a kernel", { mode: 0o644 });
    await assert.rejects(driver.start({ ...spec, kernel: join(scene.dir, "no-kernel") }), (error: Error) => {
      assert.match(error.message, /did not start: Firecracker refused PUT \/actions: .*[Kk]ernel/);
      return true;
    });
    await writeFile(join(scene.dir, "no-state"), "not a state", { mode: 0o644 });
    const image = MemoryFile.create("wrenn-test", MEMORY_MB * MIB);
    image.seal();
    await assert.rejects(
      driver.restore(
        { ...spec, memory: { kind: "image", fd: image.fd } },
        { devicesPath: join(scene.dir, "no-state") },
      ),
      (error: Error) => {
        assert.match(error.message, /did not take its saved state: Firecracker refused PUT \/snapshot\/load/);
        return true;
      },
    );
    image.close();
    assert.deepEqual(
      scene.groups().filter((name) => name === spec.id),
      [],
    );
    for (const machine of scene.machines) assert.equal(isAlive(machine.process), false);
  });
});
