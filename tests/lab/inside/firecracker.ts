// Runs inside a lab (firecracker.test.ts) that has a Firecracker: the driver and the real binary, without a host agent.
// The guest is that of tests/vmm: it writes patterns into memory and disk, checks them, and says so on its console.
import assert from "node:assert/strict";
import { chmod, chown, copyFile, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { detectCgroups, isAlive, kill, MemoryFile } from "@wrenn/linux";
import { lazyPagesRef, pageMap } from "@wrenn/snapshot";
import { kernelCommandLine, tscKhz } from "@wrenn/template";
import { FirecrackerVmm, inspectFirecracker, type Machine, type MachineSpec, PAGE_BYTES } from "@wrenn/vmm";
import { INSIDE } from "../../../lab/layout.ts";
import type { FirecrackerOptions } from "../../../packages/vmm/src/firecracker/driver.ts";
import { DISK_BYTES, lastRound, makeMachineDir, reachRound } from "../../vmm/guest.ts";

const DIR = `${INSIDE.tests}/firecracker`;
const GROUP = "fc-lab";
const FIRST_UID = 1_999_990_000;
const MEMORY_MB = 192;

describe("the driver and a real Firecracker", { timeout: 900_000 }, () => {
  const cgroups = detectCgroups();
  const machines: Machine[] = [];
  let count = 0;
  let commandLine = "";

  before(async () => {
    commandLine = kernelCommandLine({ tscKhz: await tscKhz() });
    await mkdir(DIR, { recursive: true, mode: 0o755 });
    await copyFile(`${INSIDE.tests}/checking-initramfs`, join(DIR, "initramfs"));
    await chmod(join(DIR, "initramfs"), 0o644);
  });
  after(async () => {
    for (const machine of machines) await machine.kill();
    assert.deepEqual(cgroups.list(GROUP), [], "no cgroup is left");
    await cgroups.open(GROUP).remove();
    await rm(DIR, { recursive: true });
  });

  async function vmm(options: Partial<FirecrackerOptions> = {}): Promise<FirecrackerVmm> {
    return new FirecrackerVmm({ cgroups, binary: await inspectFirecracker(INSIDE.firecracker), ...options });
  }

  /** A machine that was not there before, with a disk of its own: an empty one, or a copy of another's. */
  async function place(from?: MachineSpec): Promise<MachineSpec> {
    const id = `fc-${count++}`;
    const disk = join(DIR, `${id}.disk`);
    const spec: MachineSpec = {
      id,
      vcpus: 1,
      memoryMb: MEMORY_MB,
      accelerator: "kvm",
      kernel: `${INSIDE.store}/guest/kernel`,
      initramfs: join(DIR, "initramfs"),
      commandLine,
      disks: [{ id: "root", layers: [{ path: disk, format: "raw" }], readOnly: false }],
      net: undefined,
      uid: FIRST_UID + count,
      dir: join(DIR, id),
      cgroup: `${GROUP}/${id}`,
      maxFileBytes: 2 * DISK_BYTES,
    };
    await makeMachineDir(spec);
    const source = from?.disks[0]?.layers[0]?.path;
    if (source === undefined) {
      await writeFile(disk, "");
      await truncate(disk, DISK_BYTES);
    } else await copyFile(source, disk);
    await chown(disk, spec.uid, spec.uid);
    return spec;
  }

  /** Saves a machine that stands still; the image of its memory is whole, and sealed. */
  async function save(spec: MachineSpec, machine: Machine, base?: MemoryFile) {
    const devicesPath = join(DIR, `${spec.id}.${count++}.state`);
    const began = performance.now();
    await machine.saveDevices(devicesPath);
    const savedMs = performance.now() - began;
    const pages = await machine.memory.privatePages();
    const image = MemoryFile.create("wrenn-test", MEMORY_MB * MIB);
    const buffer = Buffer.alloc(PAGE_BYTES);
    if (base) {
      for (const page of base.heldPages()) {
        base.read(page * PAGE_BYTES, buffer);
        image.write(page * PAGE_BYTES, buffer);
      }
    }
    for (const page of pages) {
      machine.memory.read(page * PAGE_BYTES, buffer);
      image.write(page * PAGE_BYTES, buffer);
    }
    image.seal();
    return { devicesPath, image, pages: pages.length, savedMs };
  }

  it("boots a guest, which goes on over generations of Diff snapshots, each in another process", async (context) => {
    const driver = await vmm();
    let spec = await place();
    const began = performance.now();
    let machine = await driver.start(spec);
    machines.push(machine);
    await reachRound(spec, machine, 2);
    context.diagnostic(`boot and two rounds: ${Math.round(performance.now() - began)} ms`);
    let image: MemoryFile | undefined;
    for (let generation = 0; generation < 3; generation++) {
      await machine.pause();
      const round = await lastRound(spec);
      const saved = await save(spec, machine, image);
      context.diagnostic(
        `generation ${generation}: round ${round}, ${saved.pages} pages in ${Math.round(saved.savedMs)} ms`,
      );
      assert.ok(saved.pages > 100 && saved.pages < MEMORY_MB * 256, `${saved.pages} pages`);
      await machine.kill();
      image?.close();
      image = saved.image;
      const next = await place(spec);
      const before = performance.now();
      machine = await driver.restore(
        { ...next, memory: { kind: "image", fd: image.fd } },
        { devicesPath: saved.devicesPath },
      );
      machines.push(machine);
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
    const spec = await place();
    const machine = await (await vmm()).start(spec);
    machines.push(machine);
    await reachRound(spec, machine, 1);
    await machine.pause();
    await machine.pause();
    const first = await save(spec, machine);
    await machine.resume();
    await machine.resume();
    await reachRound(spec, machine, (await lastRound(spec)) + 1);
    await machine.pause();
    const round = await lastRound(spec);
    const second = await save(spec, machine);
    assert.ok(second.pages >= first.pages, `${second.pages} of at least ${first.pages}`);
    const copy = await place(spec);
    await machine.kill();
    // From the second picture alone.
    const restored = await (await vmm()).restore(
      { ...copy, memory: { kind: "image", fd: second.image.fd } },
      { devicesPath: second.devicesPath },
    );
    machines.push(restored);
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    await restored.kill();
    first.image.close();
    second.image.close();
  });

  it("goes on while its memory arrives, page by page as it is touched, and then all the rest", async (context) => {
    const driver = await vmm();
    const spec = await place();
    const machine = await driver.start(spec);
    machines.push(machine);
    await reachRound(spec, machine, 1);
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image } = await save(spec, machine);
    const path = join(DIR, "whole.memory");
    const whole = Buffer.alloc(MEMORY_MB * MIB);
    image.read(0, whole);
    await writeFile(path, whole, { mode: 0o600 });
    image.close();
    const pages = MEMORY_MB * 256;
    const map = pageMap(pages, [{ start: 0, end: pages, build: "a".repeat(32), offset: 0 }]);
    const memory = { kind: "lazy", pages: lazyPagesRef({ map, paths: [path], workingSet: [] }) } as const;
    const copy = await place(spec);
    await machine.kill();
    const restored = await driver.restore({ ...copy, memory }, { devicesPath });
    machines.push(restored);
    const { arrival } = restored;
    assert.ok(arrival);
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    const { loaded, total } = arrival.progress;
    context.diagnostic(`two rounds later ${loaded} of ${total} pages have arrived`);
    assert.ok(loaded > 100 && loaded < total);
    // Saved before all of it is there: what was written since, and nothing else.
    await restored.pause();
    const early = await save(copy, restored);
    early.image.close();
    assert.ok(early.pages > 100 && early.pages < pages / 2, `${early.pages} pages`);
    await restored.resume();
    assert.ok((await arrival.settle()).length > 0);
    await arrival.complete;
    await reachRound(copy, restored, (await lastRound(copy)) + 2);
    await restored.kill();
  });

  it("writes Full snapshots where written pages are not tracked", async (context) => {
    const driver = await vmm({ trackDirtyPages: false });
    const spec = await place();
    const machine = await driver.start(spec);
    machines.push(machine);
    await reachRound(spec, machine, 1);
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image, pages, savedMs } = await save(spec, machine);
    context.diagnostic(`${pages} pages in ${Math.round(savedMs)} ms`);
    assert.equal(pages, MEMORY_MB * 256);
    const copy = await place(spec);
    await machine.kill();
    const restored = await driver.restore(
      { ...copy, memory: { kind: "image", fd: image.fd } },
      { devicesPath },
    );
    machines.push(restored);
    await restored.resume();
    await reachRound(copy, restored, round + 2);
    await restored.kill();
    image.close();
  });

  it("keeps its disk to what the host allows, also when that changes with a load", async (context) => {
    const slow = { disk: { bytesPerSec: 64 * 1024 } };
    const spec = await place();
    const machine = await (await vmm({ rates: slow })).start(spec);
    machines.push(machine);
    await reachRound(spec, machine, 1);
    const began = performance.now();
    const from = await lastRound(spec);
    // A round writes 64 KiB and reads up to four times that.
    await reachRound(spec, machine, from + 2);
    const slowMs = (performance.now() - began) / 2;
    await machine.pause();
    const round = await lastRound(spec);
    const { devicesPath, image } = await save(spec, machine);
    const copy = await place(spec);
    await machine.kill();
    const restored = await (await vmm()).restore(
      { ...copy, memory: { kind: "image", fd: image.fd } },
      { devicesPath },
    );
    machines.push(restored);
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
    const spec = await place();
    const first = await (await vmm()).start(spec);
    machines.push(first);
    await reachRound(spec, first, 1);
    const second = await (await vmm()).adopt(spec, first.process);
    await second.pause();
    const { pages, image } = await save(spec, second);
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
    const driver = await vmm();
    const spec = await place();
    await writeFile(join(DIR, "no-kernel"), "not a kernel", { mode: 0o644 });
    await assert.rejects(driver.start({ ...spec, kernel: join(DIR, "no-kernel") }), (error: Error) => {
      assert.match(error.message, /did not start: Firecracker refused PUT \/actions: .*[Kk]ernel/);
      return true;
    });
    await writeFile(join(DIR, "no-state"), "not a state", { mode: 0o644 });
    const image = MemoryFile.create("wrenn-test", MEMORY_MB * MIB);
    image.seal();
    await assert.rejects(
      driver.restore(
        { ...spec, memory: { kind: "image", fd: image.fd } },
        { devicesPath: join(DIR, "no-state") },
      ),
      (error: Error) => {
        assert.match(error.message, /did not take its saved state: Firecracker refused PUT \/snapshot\/load/);
        return true;
      },
    );
    image.close();
    assert.deepEqual(
      cgroups.list(GROUP).filter((name) => name === spec.id),
      [],
    );
    for (const machine of machines) assert.equal(isAlive(machine.process), false);
  });
});
