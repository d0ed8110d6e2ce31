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

test("in every status", () => {
  for (const [action, operation] of OPERATIONS) {
    for (const status of SANDBOX_STATUSES) {
      assert.equal(can(action, status), isAllowed(operation, status), `${action} while ${status}`);
    }
  }
});

function isAllowed(operation: OperationId, status: SandboxStatus): boolean {
  try {
    assertAllowed(operation, { id: "sb-0000000000000000", status, deleted_at: null } as SandboxRow);
    return true;
  } catch (error) {
    assert.ok(error instanceof WrennError && error.code === "invalid_state");
    return false;
  }
}
