// The console offers what the control plane allows, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationId } from "@wrenn/api";
import { SANDBOX_STATUSES, type SandboxStatus, WrennError } from "@wrenn/core";
import { type Action, can } from "../../packages/console/src/model/abilities.ts";
import type { SandboxRow } from "../../packages/control-plane/src/db/schema.ts";
import { assertAllowed } from "../../packages/control-plane/src/http/allowed-status.ts";

const OPERATIONS: readonly (readonly [Action, OperationId])[] = [
  ["exec", "createExecTicket"],
  ["exec", "execInSandbox"],
  ["pause", "pauseSandbox"],
  ["resume", "resumeSandbox"],
  ["fork", "forkSandbox"],
  ["restore", "restoreSandbox"],
  ["ping", "pingSandbox"],
];

const DELETED = new Date("2026-11-28T21:00:00.000Z");

test("in every status", () => {
  for (const [action, operation] of OPERATIONS) {
    for (const status of SANDBOX_STATUSES) {
      const offered = can(action, { status });
      assert.equal(offered, isAllowed(operation, status, null), `${action} while ${status}`);
    }
  }
});

test("what ended unasked can be resumed, what was deleted cannot", () => {
  for (const [action, operation] of OPERATIONS) {
    const offered = can(action, { status: "stopped", deleted_at: DELETED.toISOString() });
    assert.equal(offered, isAllowed(operation, "stopped", DELETED), `${action} after the deletion`);
  }
  assert.equal(can("resume", { status: "stopped" }), true);
});

test("a deletion is offered in every status, and only once", () => {
  for (const status of SANDBOX_STATUSES) {
    assert.equal(isAllowed("deleteSandbox", status, null), true);
    assert.equal(can("destroy", { status }), true, `while ${status}`);
  }
  assert.equal(can("destroy", { status: "stopped", deleted_at: DELETED.toISOString() }), false);
});

function isAllowed(operation: OperationId, status: SandboxStatus, deleted_at: Date | null): boolean {
  try {
    assertAllowed(operation, { id: "sb-0000000000000000", status, deleted_at } as SandboxRow);
    return true;
  } catch (error) {
    assert.ok(error instanceof WrennError && error.code === "invalid_state");
    return false;
  }
}
