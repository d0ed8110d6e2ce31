import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PAGE_BUFFER_BYTES, PageBuffers } from "./page-buffers.ts";

describe("PageBuffers", () => {
  it("hands out what was given back, and keeps no more than one snapshot needs", () => {
    const buffers = new PageBuffers();
    const taken = Array.from({ length: 6 }, () => buffers.take());
    assert.equal(new Set(taken).size, 6);
    assert.ok(taken.every(({ length }) => length === PAGE_BUFFER_BYTES));
    for (const buffer of taken) buffers.give(buffer);
    assert.equal(buffers.free, 4);
    assert.ok(taken.includes(buffers.take()));
    assert.equal(buffers.free, 3);
  });

  it("lets them go some time after the last use", (test) => {
    test.mock.timers.enable({ apis: ["setTimeout"] });
    const buffers = new PageBuffers(1000);
    buffers.give(buffers.take());
    test.mock.timers.tick(999);
    buffers.give(buffers.take());
    test.mock.timers.tick(999);
    assert.equal(buffers.free, 1);
    test.mock.timers.tick(1);
    assert.equal(buffers.free, 0);
  });
});
