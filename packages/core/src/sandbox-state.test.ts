import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennError } from "./errors.ts";
import {
  assertTransition,
  canTransition,
  predecessors,
  SANDBOX_STATUSES,
  TRANSITIONS,
} from "./sandbox-state.ts";

describe("sandbox state machine", () => {
  it("lets every state but the final one be deleted", () => {
    for (const status of SANDBOX_STATUSES)
      assert.equal(canTransition(status, "stopped"), status !== "stopped", status);
  });

  it("reaches every state from pending", () => {
    const seen = new Set(["pending"]);
    const queue: (keyof typeof TRANSITIONS)[] = ["pending"];
    for (let from = queue.pop(); from; from = queue.pop()) {
      for (const to of TRANSITIONS[from].filter((next) => !seen.has(next))) {
        seen.add(to);
        queue.push(to);
      }
    }
    assert.deepEqual(seen, new Set(SANDBOX_STATUSES));
  });

  it("leaves stopped only by resuming what is left", () =>
    assert.deepEqual(TRANSITIONS.stopped, ["resuming"]));

  it("predecessors() is the inverse of the table", () => {
    for (const to of SANDBOX_STATUSES) {
      for (const from of SANDBOX_STATUSES)
        assert.equal(predecessors(to).includes(from), TRANSITIONS[from].includes(to));
    }
  });

  it("assertTransition() names the sandbox and both states", () => {
    assert.throws(
      () => assertTransition("sb-x", "paused", "pausing"),
      (reason) =>
        reason instanceof WrennError &&
        reason.code === "invalid_state" &&
        /sb-x is paused/.test(reason.message),
    );
  });
});
