import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";
import { isStale, RecentSandboxes } from "./recent-sandboxes.ts";

const caller = (owner: string) => ({ owner, operator: false, keyId: "k", requestId: "r" });

/** One row of alice's, a clock that is set by hand, and how often the row was read. */
function world() {
  const state = { status: "running", now: 0, reads: 0 };
  const recent = new RecentSandboxes({
    now: () => state.now,
    read: async ({ owner }) => {
      state.reads++;
      if (owner !== "alice") throw new WrennError("not_found", "you have no such sandbox");
      return { id: "sb-1", owner: "alice", status: state.status } as SandboxRow;
    },
  });
  return { state, recent };
}

describe("RecentSandboxes", () => {
  it("reads a running sandbox once, and again when its time has passed", async () => {
    const { state, recent } = world();
    for (const now of [0, 100, 799]) {
      state.now = now;
      await recent.get(caller("alice"), "sb-1");
    }
    assert.equal(state.reads, 1);
    state.now = 800;
    await recent.get(caller("alice"), "sb-1");
    assert.equal(state.reads, 2);
  });

  it("never gives a row to another owner", async () => {
    const { recent } = world();
    await recent.get(caller("alice"), "sb-1");
    await assert.rejects(recent.get(caller("mallory"), "sb-1"), { code: "not_found" });
  });

  it("remembers nothing but running sandboxes", async () => {
    const { state, recent } = world();
    state.status = "pausing";
    await recent.get(caller("alice"), "sb-1");
    state.status = "running";
    assert.equal((await recent.get(caller("alice"), "sb-1")).status, "running");
  });

  it("reads anew after a refusal", async () => {
    const { state, recent } = world();
    await recent.get(caller("alice"), "sb-1");
    state.status = "stopped";
    assert.equal((await recent.get(caller("alice"), "sb-1")).status, "running");
    assert.equal((await recent.renew(caller("alice"), "sb-1")).status, "stopped");
    assert.equal((await recent.get(caller("alice"), "sb-1")).status, "stopped");
  });
});

describe("isStale()", () => {
  it("is true for what a host says of a sandbox that it does not run", () => {
    assert.ok(isStale(new WrennError("invalid_state", "it is paused")));
    assert.ok(!isStale(new WrennError("invalid_argument", "no such signal")));
    assert.ok(!isStale(new Error("not_found")));
  });
});
