import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { WrennError } from "@wrenn/core";
import { placeSandbox } from "./placement.ts";

const host = (id: string, sandboxes: number, more: object = {}) => ({
  id,
  sandboxes,
  maxSandboxes: 10,
  isolation: "tcg" as const,
  templates: new Set(["minimal"]),
  ...more,
});
const demand = { template: "minimal" };
const refusedWith = (code: string) => (error: WrennError) => error.code === code;

describe("placeSandbox()", () => {
  test("takes the host that is emptiest for its size", () => {
    const hosts = [host("a", 5), host("b", 3), host("c", 4, { maxSandboxes: 100 })];
    assert.equal(placeSandbox(hosts, demand).id, "c");
  });

  test("asks a full host when there is no other", () => {
    assert.equal(placeSandbox([host("a", 10)], demand).id, "a");
    assert.equal(placeSandbox([host("a", 0, { maxSandboxes: 0 })], demand).id, "a");
  });

  test("takes only hosts that hold the template and give the isolation", () => {
    const hosts = [host("a", 0, { templates: new Set() }), host("b", 9, { isolation: "kvm" as const })];
    assert.equal(placeSandbox(hosts, demand).id, "b");
    assert.equal(placeSandbox(hosts, { ...demand, minIsolation: "kvm" }).id, "b");
    assert.equal(placeSandbox([host("a", 0)], { ...demand, minIsolation: "tcg" }).id, "a");
  });

  test("says what is missing", () => {
    assert.throws(() => placeSandbox([], demand), refusedWith("unavailable"));
    assert.throws(
      () => placeSandbox([host("a", 0)], { ...demand, minIsolation: "kvm" }),
      refusedWith("isolation_unavailable"),
    );
    assert.throws(() => placeSandbox([host("a", 0)], { template: "other" }), refusedWith("unavailable"));
  });
});
