import assert from "node:assert/strict";
import { test } from "node:test";
import { Strays } from "./strays.ts";

test("Strays.ripe() names what was a stray in every round for the grace period", () => {
  let now = 0;
  const strays = new Strays({ graceMs: 100, now: () => now });
  assert.deepEqual(strays.ripe("a", ["x", "y"]), []);
  now = 50;
  assert.deepEqual(strays.ripe("a", ["y", "z"]), []);
  now = 100;
  assert.deepEqual(strays.ripe("a", ["x", "y", "z"]), ["y"], "x was known meanwhile, z is young");
  assert.deepEqual(strays.ripe("b", ["y"]), [], "another kind, another clock");
  now = 150;
  assert.deepEqual(strays.ripe("a", ["z"]), ["z"]);
});

test("Strays.ripe() without a grace period names everything at once", () => {
  assert.deepEqual(new Strays({ graceMs: 0 }).ripe("a", ["x"]), ["x"]);
});
