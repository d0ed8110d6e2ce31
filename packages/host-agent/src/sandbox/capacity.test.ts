import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Capacity, VMM_OVERHEAD_MB } from "./capacity.ts";

describe("Capacity", () => {
  it("refuses the sandbox that does not fit and takes it once room was given back", () => {
    const capacity = new Capacity({ maxSandboxes: 10, memoryMb: 2 * (512 + VMM_OVERHEAD_MB) });
    const first = capacity.reserve(512);
    capacity.reserve(512);
    assert.throws(() => capacity.reserve(128), { code: "capacity", retryAfterSec: 5 });
    first();
    first();
    assert.equal(capacity.freeMb, 512 + VMM_OVERHEAD_MB);
    capacity.reserve(512);
    assert.equal(capacity.freeMb, 0);
  });

  it("has what runs already, beyond its limits, and gives nothing more until there is room", () => {
    const capacity = new Capacity({ maxSandboxes: 1, memoryMb: 512 + VMM_OVERHEAD_MB });
    const [first, second] = [capacity.take(512), capacity.take(512)];
    assert.throws(() => capacity.reserve(128), { code: "capacity" });
    first();
    assert.throws(() => capacity.reserve(128), { code: "capacity" });
    second();
    capacity.reserve(512);
  });

  it("bounds the number of sandboxes", () => {
    const capacity = new Capacity({ maxSandboxes: 1, memoryMb: 100_000 });
    const release = capacity.reserve(128);
    assert.throws(() => capacity.reserve(128), { code: "capacity" });
    release();
    capacity.reserve(128);
  });
});
