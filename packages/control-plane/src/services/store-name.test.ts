import assert from "node:assert/strict";
import { test } from "node:test";
import { isName } from "@wrenn/core";
import fc from "fast-check";
import { makerOf, newStoreName } from "./store-name.ts";

test("newStoreName() makes distinct names that tell their maker", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 2 }), (worker) => {
      const name = newStoreName(worker);
      assert.ok(isName(name), name);
      assert.equal(makerOf(name), worker);
      assert.notEqual(newStoreName(worker), name);
    }),
  );
});

test("makerOf() knows nobody else's names", () => {
  for (const name of [
    "",
    "minimal",
    "snap-1",
    "snap-0000000g-000000000000000000000000",
    `${newStoreName(1)}0`,
  ])
    assert.equal(makerOf(name), undefined, name);
});
