import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { Socket } from "node:net";
import { describe, it } from "node:test";
import { socketPair, until } from "@wrenn/linux";
import { SourceThread, type SourceThreadOptions } from "./source-thread.ts";
import { type PatternData, PatternPages, patternRef, TestReceiver } from "./test-receiver.ts";

const MEMORY = "m0";
const AT_ONCE = { afterMs: 0, quietMs: 0, byMs: 0 };

function start(
  data: Partial<PatternData> & { pages: number },
  options: Partial<Pick<SourceThreadOptions, "stallMs" | "push">> = {},
) {
  const [fd, theirs] = socketPair();
  const source = new SourceThread({
    fd,
    pages: patternRef(data),
    roms: { blocks: [{ name: MEMORY, bytes: data.pages * 4096 }], contents: new Map() },
    memory: MEMORY,
    devices: Buffer.from("devices"),
    push: AT_ONCE,
    ...options,
  });
  const channel = new Socket({ fd: theirs, readable: true, writable: true });
  channel.on("error", () => {}); // a reset: the other end had not read everything
  const receiver = new TestReceiver(channel, MEMORY);
  const received = receiver.run();
  received.catch(() => {});
  return { source, channel, receiver, received };
}

const descriptors = () => readdirSync("/proc/self/fd").length;

describe("SourceThread", () => {
  it("brings a memory over: what is asked for, and the rest once it may", async () => {
    const zero = [3, 4, 5, 700];
    const { source, receiver, received } = start({ pages: 1000, zero });
    await source.devicesLoaded;
    const pages = new PatternPages(1000, zero);
    assert.deepEqual(await receiver.touch(500), pages.content(500));
    assert.deepEqual(await receiver.touch(4), pages.content(4));
    assert.deepEqual(await source.settle(), [
      { start: 496, count: 16 },
      { start: 0, count: 16 },
    ]);
    await source.complete;
    await received;
    assert.deepEqual(source.progress, { loaded: 996, total: 996 });
    for (let page = 0; page < 1000; page++)
      assert.deepEqual(
        receiver.blocks.get(MEMORY)?.subarray(page * 4096, (page + 1) * 4096),
        pages.content(page),
      );
    await source.stop();
  });

  it("sends nothing that nobody asked for while the guest still asks, up to a limit", async () => {
    const { source, receiver, received } = start(
      { pages: 4096 },
      { push: { afterMs: 0, quietMs: 60_000, byMs: 3000 } },
    );
    await source.devicesLoaded;
    await receiver.touch(500);
    const began = performance.now();
    await source.settle();
    await receiver.touch(1000);
    const { loaded } = source.progress;
    assert.ok(loaded <= 64, `${loaded} pages`);
    await source.complete;
    assert.ok(performance.now() - began >= 3000);
    await received;
    await source.stop();
  });

  it("sends the rest as soon as the guest asks no more", async () => {
    const times = { afterMs: 0, quietMs: 20, byMs: 600_000 };
    const { source, receiver, received } = start({ pages: 1000 }, { push: times });
    await source.devicesLoaded;
    await receiver.touch(500);
    await source.settle();
    await source.complete;
    await received;
    await source.stop();
  });

  it("does not keep another one waiting when its disk is slow", async () => {
    const slow = start({ pages: 64, readMs: 500 });
    const quick = start({ pages: 64 });
    await Promise.all([slow.source.devicesLoaded, quick.source.devicesLoaded]);
    const order: string[] = [];
    const waiting = slow.receiver.touch(1).then(() => order.push("slow"));
    for (const page of [1, 20, 40]) await quick.receiver.touch(page);
    order.push("quick");
    await waiting;
    assert.deepEqual(order, ["quick", "slow"]);
    await Promise.all([slow.source.stop(), quick.source.stop()]);
  });

  it("does not wait without end for a read that does not come back, and ends when it does", async () => {
    const gate = new SharedArrayBuffer(8);
    const words = new Int32Array(gate);
    const data = { pages: 64, readMs: Number.POSITIVE_INFINITY, gate };
    const { source, channel, receiver } = start(data, { stallMs: 50 });
    await source.devicesLoaded;
    void receiver.touch(1);
    assert.ok(await until(() => Atomics.load(words, 1) === 1, { timeoutMs: 10_000 }));
    await assert.rejects(source.stop(), { code: "deadline_exceeded" });
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await assert.rejects(source.complete);
    await source.stop();
    channel.destroy();
  });

  it("says why it ended", async () => {
    const broken = start({ pages: 64, brokenFrom: 40 });
    await broken.source.devicesLoaded;
    void broken.source.settle();
    await assert.rejects(broken.source.complete, /page 40 cannot be read/);
    const left = start({ pages: 64 });
    await left.source.devicesLoaded;
    left.channel.destroy();
    await assert.rejects(left.source.complete, /closed its connection/);
    await assert.rejects(left.source.settle());
  });

  it("leaves no descriptor, whenever it is stopped", async () => {
    const first = start({ pages: 64 });
    await first.source.stop();
    first.channel.destroy();
    const before = descriptors();
    for (let i = 0; i < 6; i++) {
      const { source, channel, received } = start({ pages: 64 });
      if (i % 2 === 0) await source.devicesLoaded;
      await source.stop();
      await source.stop();
      await assert.rejects(source.complete);
      await received.catch(() => {});
      channel.destroy();
      await new Promise(setImmediate);
    }
    assert.equal(descriptors(), before);
  });

  it("closes what it was given when its memory cannot be opened", async () => {
    const [fd, theirs] = socketPair();
    const source = new SourceThread({
      fd,
      pages: { module: "file:///nowhere.ts", data: null },
      roms: { blocks: [{ name: MEMORY, bytes: 4096 }], contents: new Map() },
      memory: MEMORY,
      devices: Buffer.alloc(0),
      push: AT_ONCE,
    });
    const channel = new Socket({ fd: theirs, readable: true, writable: true });
    const closed = new Promise((resolve) => channel.once("close", resolve).resume());
    await assert.rejects(source.devicesLoaded, /nowhere/);
    await closed;
  });
});
