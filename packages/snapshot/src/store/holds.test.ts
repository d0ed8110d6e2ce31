import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Holds } from "./holds.ts";

describe("Holds", () => {
  test("tells that a snapshot is free when its last hold goes, once, and not earlier", () => {
    const holds = new Holds();
    let told = 0;
    holds.released = () => {
      told++;
      assert.deepEqual(holds.ids(), ["other"], "it is free by then");
    };
    const other = holds.take("other");
    const [first, second] = [holds.take("one"), holds.take("one")];
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.deepEqual([told, holds.ids().sort()], [0, ["one", "other"]]);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    assert.equal(told, 1);
    holds.released = () => {};
    other[Symbol.dispose]();
    assert.deepEqual(holds.ids(), []);
  });
});
