import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseMemory, LAZY_FROM_BYTES } from "./choose-memory.ts";

describe("chooseMemory()", () => {
  it("does as it is told", () => {
    for (const setting of ["shared", "lazy"] as const)
      for (const lazyWorks of [true, false])
        for (const fillBytes of [0, 2 ** 40])
          assert.equal(chooseMemory({ setting, lazyWorks, fillBytes }), setting);
  });

  it("left alone shares what is there, and waits for what would have to be copied", () => {
    const auto = (lazyWorks: boolean, fillBytes: number) =>
      chooseMemory({ setting: "auto", lazyWorks, fillBytes });
    assert.equal(auto(true, 0), "shared");
    assert.equal(auto(true, LAZY_FROM_BYTES - 1), "shared");
    assert.equal(auto(true, LAZY_FROM_BYTES), "lazy");
    assert.equal(auto(false, 2 ** 40), "shared");
  });
});
