import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { relayed } from "./bulk.ts";

const MIB = 1024 * 1024;

describe("relayed()", () => {
  const real = globalThis.gc;
  const gc = mock.fn();
  beforeEach(() => {
    gc.mock.resetCalls();
    globalThis.gc = gc as unknown as NodeJS.GCFunction;
  });
  afterEach(() => {
    globalThis.gc = real;
  });

  /** `count` buffers of 1 MiB. */
  const source = (count: number) => Readable.from(Array.from({ length: count }, () => Buffer.alloc(MIB)));

  async function relay(count: number): Promise<number> {
    const target = new PassThrough({ highWaterMark: 16 * 1024 });
    const done = pipeline(relayed(source(count)), target);
    let size = 0;
    for await (const chunk of target) size += chunk.length;
    await done;
    return size;
  }

  it("collects the young generation every 2 MiB, also over several streams, and loses no byte", async () => {
    for (const count of [5, 20, 7]) assert.equal(await relay(count), count * MIB);
    assert.equal(gc.mock.callCount(), 16);
    for (const { arguments: given } of gc.mock.calls) assert.deepEqual(given, [{ type: "minor" }]);
  });

  it("passes bytes where nothing can be collected", async () => {
    globalThis.gc = undefined;
    assert.equal(await relay(20), 20 * MIB);
  });
});
