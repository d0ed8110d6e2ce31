// The driver with the stand-in of Firecracker: machines that boot, are saved, continue and are taken over.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import type { WrennError } from "@wrenn/core";
import { isAlive, kill } from "@wrenn/linux";
import { type Machine, PAGE_BYTES } from "../vmm.ts";
import { apiSocket, INSIDE, pagesSocket } from "./layout.ts";
import { BOOT_PAGES, FIRST_LATER_PAGE, STATE_START } from "./testing/fake-firecracker.ts";
import { FakeWorld, MEMORY_MB, worldTools } from "./testing/world.ts";
import { zeroPages } from "./testing/zero-pages.ts";

const world = new FakeWorld();
after(() => world[Symbol.dispose]());
beforeEach(() => {
  world.calls();
  world.cgroups.groups.clear();
});

const { saved, assertNothingLeft, names } = worldTools(world);

describe("a machine that boots", () => {
  it("is described call by call, and runs", async () => {
    const spec = world.spec("boots");
    const machine = await world.vmm().start(spec);
    const calls = world.calls();
    assert.deepEqual(
      calls.map(({ name, status }) => [name, status]),
      [
        ...["machine", "bootSource", "drive", "drive", "network", "entropy", "action"].map((name) => [
          name,
          204,
        ]),
      ],
    );
    const bodies = calls.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    assert.deepEqual(bodies[0], {
      vcpu_count: 1,
      mem_size_mib: MEMORY_MB,
      smt: false,
      track_dirty_pages: true,
    });
    assert.match(String(bodies[1]?.["boot_args"]), /^console=ttyS0 .*reboot=k/);
    assert.deepEqual(
      bodies.slice(2, 4).map((body) => [body["drive_id"], body["path_on_host"], body["is_read_only"]]),
      [
        ["root", "/img/root", false],
        ["agent", "/img/agent", true],
      ],
    );
    assert.equal(bodies[4]?.["host_dev_name"], "tap0");
    assert.deepEqual(world.argv.slice(0, 5), [INSIDE.binary, "--id", "boots", "--api-sock", INSIDE.api]);
    assert.match(await machine.consoleTail(), /fake Firecracker/);
    await machine.kill();
    assert.equal(isAlive(machine.process), false);
    assertNothingLeft();
  });

  it("has paths of its own only outside: inside they are the same for every machine and each life", async () => {
    const seen: unknown[] = [];
    for (const id of ["one", "other"]) {
      const machine = await world.vmm().start(world.spec(id));
      const { ro, rw = [] } = world.confinement?.binds ?? { ro: [] };
      const inside = [...ro, ...rw].map((bind) => (typeof bind === "string" ? bind : bind.to));
      seen.push([inside, world.calls().map(({ name, body }) => [name, body])]);
      await machine.kill();
    }
    assert.deepEqual(seen[0], seen[1]);
  });

  it("is limited as its host wants, also after it was saved elsewhere", async () => {
    const rates = {
      disk: { bytesPerSec: 50_000_000 },
      network: { bytesPerSec: 10_000_000, opsPerSec: 5000 },
    };
    const vmm = world.vmm({ rates });
    const machine = await vmm.start(world.spec("limited"));
    const bodies = world.calls().map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    const none = { size: 0, refill_time: 0 };
    const disk = { bandwidth: { size: 5_000_000, refill_time: 100 }, ops: none };
    const network = {
      bandwidth: { size: 1_000_000, refill_time: 100 },
      ops: { size: 500, refill_time: 100 },
    };
    assert.deepEqual(bodies[2]?.["rate_limiter"], disk);
    assert.deepEqual([bodies[4]?.["rx_rate_limiter"], bodies[4]?.["tx_rate_limiter"]], [network, network]);
    await machine.kill();
    const { devicesPath, image } = saved();
    const memory = { kind: "image", fd: image.fd } as const;
    for (const [each, limiter] of [
      [vmm, disk],
      [world.vmm(), { bandwidth: none, ops: none }],
    ] as const) {
      const restored = await each.restore(world.spec("limited", { memory }), { devicesPath });
      const updates = world.calls().filter(({ name }) => name === "updateDrive");
      assert.deepEqual(
        updates.map(({ body }) => JSON.parse(body)),
        ["root", "agent"].map((id) => ({ drive_id: id, rate_limiter: limiter })),
      );
      await restored.kill();
    }
    image.close();
  });

  it("cannot be emulated, nor have disks of several layers or formats, nor memory that was somebody's", async () => {
    const vmm = world.vmm();
    const qcow2 = [{ id: "root", layers: [{ path: "/x", format: "qcow2" as const }], readOnly: false }];
    const layered = [
      { id: "root", layers: [0, 1].map(() => ({ path: "/x", format: "raw" as const })), readOnly: false },
    ];
    const wrong = [
      [{ accelerator: "tcg" }, "unavailable"],
      [{ disks: qcow2 }, "invalid_argument"],
      [{ disks: layered }, "invalid_argument"],
      [{ memory: { kind: "lazy", pages: { module: "none", data: 0 } } }, "invalid_argument"],
    ] as const;
    for (const [further, code] of wrong)
      await assert.rejects(vmm.start(world.spec("wrong", further)), { code }, JSON.stringify(further));
    assert.deepEqual(names(), []);
    assertNothingLeft();
  });
});

describe("a machine that is saved", () => {
  const pagesOf = async ({ memory }: Machine) => [...(await memory.privatePages())];
  const byteOf = ({ memory }: Machine, page: number) => {
    const bytes = Buffer.alloc(PAGE_BYTES);
    memory.read(page * PAGE_BYTES, bytes);
    return bytes[17];
  };

  it("writes devices and the pages it has written, all since it was started", async () => {
    const spec = world.spec("saved");
    const machine = await world.vmm().start(spec);
    const path = join(world.dir, "first.state");
    await assert.rejects(machine.saveDevices(path), { code: "invalid_state" }, "it runs");
    await machine.pause();
    await machine.pause();
    await assert.rejects(machine.memory.privatePages(), { code: "invalid_state" }, "not saved yet");
    await machine.saveDevices(path);
    assert.match(readFileSync(path, "utf8"), new RegExp(`^${STATE_START}`));
    assert.deepEqual(await pagesOf(machine), BOOT_PAGES);
    assert.equal(byteOf(machine, 100), 100);
    assert.throws(() => machine.memory.write(0, Buffer.alloc(1)), { code: "not_implemented" });
    await machine.resume();
    await assert.rejects(machine.memory.privatePages(), { code: "invalid_state" }, "it ran since");
    await machine.pause();
    await machine.saveDevices(join(world.dir, "second.state"));
    assert.deepEqual(
      await pagesOf(machine),
      [...BOOT_PAGES, FIRST_LATER_PAGE],
      "the earlier ones are still there",
    );
    await assert.rejects(machine.saveDevices(path), { code: "already_exists" });
    const kinds = world.calls().filter(({ name }) => name === "createSnapshot");
    assert.ok(kinds.every(({ body }) => JSON.parse(body).snapshot_type === "Diff"));
    await machine.kill();
    assert.throws(() => machine.memory.read(0, Buffer.alloc(1)), { code: "invalid_state" });
  });

  it("writes all of its memory where the written pages are not tracked", async () => {
    const machine = await world.vmm({ trackDirtyPages: false }).start(world.spec("full"));
    await machine.pause();
    await machine.saveDevices(join(world.dir, "full.state"));
    assert.equal((await machine.memory.privatePages()).length, MEMORY_MB * 256);
    const bodies = world.calls().map(({ body }) => (body === "" ? {} : JSON.parse(body)));
    assert.equal(bodies[0].track_dirty_pages, false);
    assert.equal(bodies.at(-1).snapshot_type, "Full");
    await machine.kill();
  });
});

describe("a machine that continues", () => {
  it("loads devices and memory in one step, stands still, and goes on when told", async () => {
    const { devicesPath, image } = saved();
    const spec = world.spec("continues", { memory: { kind: "image", fd: image.fd } });
    const machine = await world.vmm().restore(spec, { devicesPath });
    const [load] = world.calls();
    assert.equal(load?.name, "loadSnapshot");
    assert.deepEqual(JSON.parse(load?.body ?? ""), {
      snapshot_path: "/proc/self/fd/6",
      mem_backend: { backend_type: "File", backend_path: "/proc/self/fd/7" },
      track_dirty_pages: true,
      resume_vm: false,
      network_overrides: [{ iface_id: "eth0", host_dev_name: "tap0" }],
    });
    await machine.resume();
    assert.deepEqual(names(), ["vm"]);
    await machine.pause();
    await machine.saveDevices(join(world.dir, "continued.state"));
    assert.deepEqual([...(await machine.memory.privatePages())], [FIRST_LATER_PAGE], "none of the image's");
    await machine.kill();
    image.close();
  });

  it("has its memory served, and is ended when that fails", async () => {
    const { devicesPath } = saved();
    const spec = world.spec("served", { memory: { kind: "lazy", pages: zeroPages(MEMORY_MB * 256) } });
    // The stand-in connects, and has no memory to hand over.
    await assert.rejects(world.vmm().restore(spec, { devicesPath }), /did not take its saved state/);
    const { rw = [], devices = [] } = world.confinement?.binds ?? {};
    assert.deepEqual(rw.at(-1), { from: pagesSocket(spec), to: INSIDE.pages });
    assert.ok(devices.some((bind) => typeof bind !== "string" && bind.to === "/dev/userfaultfd"));
    assert.equal(existsSync(pagesSocket(spec)), false);
    assertNothingLeft();
  });

  it("refuses memory in pieces, of another size, and states that are none", async () => {
    const { devicesPath, image } = saved();
    const memory = { kind: "image", fd: image.fd } as const;
    const vmm = world.vmm();
    const fillMemory = async () => {};
    await assert.rejects(vmm.restore(world.spec("r", { memory }), { devicesPath, fillMemory }), {
      code: "not_implemented",
    });
    await assert.rejects(vmm.restore(world.spec("r"), { devicesPath }), { code: "invalid_argument" });
    await assert.rejects(vmm.restore(world.spec("r", { memory, memoryMb: 8 }), { devicesPath }), {
      code: "invalid_argument",
    });
    writeFileSync(devicesPath, "something else");
    await assert.rejects(vmm.restore(world.spec("r", { memory }), { devicesPath }), (reason: Error) =>
      /did not take its saved state: .*Failed to load snapshot/.test(reason.message),
    );
    assert.deepEqual(names(), ["loadSnapshot 400"]);
    assertNothingLeft();
    image.close();
  });
});

describe("a machine that an earlier process has started", () => {
  it("is taken over with all that it has written, and watched", async () => {
    const spec = world.spec("earlier");
    const first = await world.vmm().start(spec);
    await first.pause();
    await first.saveDevices(join(world.dir, "earlier.state"));
    await first.resume();
    const second = await world.vmm().adopt(spec, first.process);
    await second.pause();
    await second.saveDevices(join(world.dir, "later.state"));
    assert.deepEqual([...(await second.memory.privatePages())], [...BOOT_PAGES, FIRST_LATER_PAGE]);
    kill(first.process, "SIGKILL");
    assert.deepEqual(await second.exited, { status: null });
    await second.kill();
  });

  it("is not taken over when it is another's, or does not answer", async () => {
    const spec = world.spec("strange");
    const machine = await world.vmm().start(spec);
    const vmm = world.vmm();
    await assert.rejects(vmm.adopt({ ...spec, cgroup: "fc-test/none" }, machine.process), {
      code: "not_found",
    });
    await assert.rejects(vmm.adopt({ ...spec, uid: 12345 }, machine.process), { code: "not_found" });
    await assert.rejects(vmm.adopt({ ...spec, memoryMb: 8 }, machine.process), { code: "not_found" });
    writeFileSync(pagesSocket(spec), "");
    await assert.rejects(vmm.adopt(spec, machine.process), (reason: WrennError) =>
      /never will be/.test(String((reason.cause as Error).message)),
    );
    rmSync(pagesSocket(spec));
    rmSync(apiSocket(spec));
    await assert.rejects(vmm.adopt(spec, machine.process), { code: "not_found" });
    assert.equal(isAlive(machine.process), true, "that is the caller's to decide");
    await machine.kill();
  });
});
