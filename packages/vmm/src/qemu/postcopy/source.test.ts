import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Roms } from "./blocks.ts";
import { PostcopySource } from "./source.ts";
import { connection, PatternPages, TestReceiver } from "./test-receiver.ts";

const DEVICES = Buffer.from("04 what devices understand");

function romsOf(pages: number): Roms {
  const bios = Buffer.alloc(2 * 4096, "bios");
  bios.fill(0, 4096);
  return {
    blocks: [
      { name: "m0", bytes: pages * 4096 },
      { name: "/rom@etc/acpi/tables", bytes: 4096 },
      { name: "pc.bios", bytes: bios.length },
    ],
    contents: new Map([
      ["/rom@etc/acpi/tables", Buffer.alloc(4096, "tables")],
      ["pc.bios", bios],
    ]),
  };
}

function start(pages: PatternPages) {
  const [ours, theirs] = connection();
  const loaded = Promise.withResolvers<void>();
  const roms = romsOf(pages.pages);
  const source = new PostcopySource({
    channel: ours,
    pages,
    roms,
    memory: "m0",
    devices: DEVICES,
    onDevicesLoaded: loaded.resolve,
  });
  const receiver = new TestReceiver(theirs, "m0");
  const served = source.run();
  served.catch(() => {});
  const received = receiver.run();
  received.catch(() => {});
  return { source, receiver, served, received, loaded: loaded.promise, roms, theirs };
}

describe("PostcopySource", () => {
  it("says in order what QEMU needs before its guest may run, and sends nothing of its memory unasked", async () => {
    const { source, receiver, served, loaded, roms, theirs } = start(new PatternPages(64));
    await loaded;
    assert.deepEqual(receiver.order, ["return path", "advise", "start", "part", "discard", "packaged"]);
    assert.deepEqual(receiver.devices, DEVICES);
    for (const [name, content] of roms.contents) assert.deepEqual(receiver.blocks.get(name), content);
    assert.deepEqual(receiver.arrived, []);
    assert.deepEqual(source.touched, []);
    theirs.destroy();
    await assert.rejects(served, { code: "unavailable" });
  });

  it("answers a request with that page first, its neighbours after it, and no other", async () => {
    const pages = new PatternPages(64, [18, 19]);
    const { source, receiver, loaded, theirs, served } = start(pages);
    await loaded;
    assert.deepEqual(await receiver.touch(20), pages.content(20));
    assert.deepEqual(await receiver.touch(18), pages.content(18));
    assert.equal(receiver.arrived[0], 20);
    // Already on their way.
    for (let page = 16; page < 32; page++) await receiver.touch(page);
    assert.deepEqual(
      receiver.arrived.toSorted((a, b) => a - b),
      Array.from({ length: 16 }, (_, i) => 16 + i),
    );
    assert.deepEqual(source.touched, [{ start: 16, count: 16 }]);
    theirs.destroy();
    await assert.rejects(served);
  });

  it("sends what an earlier machine needed before anybody asks", async () => {
    const { receiver, loaded, theirs, served } = start(new PatternPages(64, [], [{ start: 40, count: 3 }]));
    await loaded;
    for (const page of [40, 41, 42]) await receiver.touch(page);
    assert.deepEqual(receiver.arrived.slice(0, 3).toSorted(), [40, 41, 42]);
    theirs.destroy();
    await assert.rejects(served);
  });

  it("brings every page over once, whatever is asked for while the rest is pushed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.nat(199)),
        fc.array(fc.nat(199), { maxLength: 30 }),
        fc.nat(5),
        async (count, zero, asked, before) => {
          const pages = new PatternPages(count, zero);
          const { source, receiver, loaded, served, received } = start(pages);
          await loaded;
          const touch = async (page: number) =>
            assert.deepEqual(await receiver.touch(page), pages.content(page), `page ${page}`);
          const wanted = [...new Set(asked.map((page) => page % count))];
          await Promise.all(wanted.slice(0, before).map(touch));
          const rest = Promise.all(wanted.slice(before).map(touch));
          source.push();
          await Promise.race([rest, received]);
          await Promise.all([served, received]);
          for (let page = 0; page < count; page++) {
            const content = receiver.blocks.get("m0")?.subarray(page * 4096, (page + 1) * 4096);
            assert.deepEqual(content, pages.content(page));
            const { zero: isZero } = pages.run(page, 1);
            assert.ok(isZero || receiver.arrived.includes(page), `page ${page} has come`);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends with what went wrong: a page that cannot be read, a request for what is not there", async () => {
    const broken = new PatternPages(8);
    broken.read = () => {
      throw new Error("the disk is gone");
    };
    const first = start(broken);
    await first.loaded;
    void first.receiver.touch(3);
    await assert.rejects(first.served, /the disk is gone/);
    const second = start(new PatternPages(8));
    await second.loaded;
    void second.receiver.touch(8);
    await assert.rejects(second.served, /not within a memory of 8/);
  });
});
