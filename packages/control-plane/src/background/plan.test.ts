import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { canTransition, newSandboxId, SANDBOX_STATUSES, type SandboxStatus } from "@wrenn/core";
import fc from "fast-check";
import type { ReconcileRow } from "../db/queries/sandbox-reconcile.ts";
import { type LiveSandbox, planCorrections, planStrays } from "./plan.ts";

const row = (status: SandboxStatus) => ({ id: "sb-1", status }) as ReconcileRow;
const LIVE: LiveSandbox = {
  ...{ id: "sb-1", status: "running", error: "", hostIp: "10.11.0.9", diskMb: 1024 },
  ...{ timeoutSec: 0, ttlMode: "inactivity", expiresAtUnixMs: 0n, createdAtUnix: 0n },
};
const live = (status: string) => new Map<string, LiveSandbox>([["sb-1", { ...LIVE, status }]]);
const nobody = () => false;

const plan = (status: SandboxStatus, onHost: string | undefined, { attended = false } = {}) =>
  planCorrections([row(status)], onHost === undefined ? new Map() : live(onHost), () => attended).map(
    ({ path }) => path.join(" "),
  );

describe("planCorrections()", () => {
  test("a running row follows its host", () => {
    assert.deepEqual(plan("running", "running"), []);
    assert.deepEqual(plan("running", undefined), ["stopped"]);
    assert.deepEqual(plan("running", "paused"), ["paused"]);
    assert.deepEqual(plan("running", "error"), ["error"]);
  });

  test("a paused row may be absent, listed as paused, or come back by a resume that nobody heard of", () => {
    assert.deepEqual(plan("paused", undefined), []);
    assert.deepEqual(plan("paused", "paused"), []);
    assert.deepEqual(plan("paused", "running"), ["resuming running"]);
    assert.deepEqual(plan("paused", "error"), ["error"]);
  });

  test("unsettled rows belong to whoever works on them", () => {
    for (const status of ["pending", "starting", "pausing", "resuming"] as const) {
      for (const onHost of ["running", "paused", "error", undefined]) {
        assert.deepEqual(plan(status, onHost, { attended: true }), []);
      }
    }
  });

  test("unsettled rows that nobody works on become what the host says", () => {
    for (const onHost of ["running", "paused", undefined]) {
      assert.deepEqual(plan("pending", onHost), ["stopped"]);
      assert.deepEqual(plan("starting", onHost), ["stopped"]);
    }
    for (const status of ["pausing", "resuming"] as const) {
      assert.deepEqual(plan(status, "running"), ["running"]);
      assert.deepEqual(plan(status, "paused"), ["paused"]);
      assert.deepEqual(plan(status, "error"), ["error"]);
      assert.deepEqual(plan(status, undefined), ["paused"]);
    }
  });

  test("nothing is settled while the host itself is on the way", () => {
    for (const status of ["running", "paused", "pausing", "resuming"] as const) {
      for (const onHost of ["pausing", "resuming", "starting"]) assert.deepEqual(plan(status, onHost), []);
    }
  });

  test("what turns out to run has the address that the host gives", () => {
    for (const status of ["paused", "pausing", "resuming"] as const) {
      const [correction] = planCorrections([row(status)], live("running"), nobody);
      assert.equal(correction?.running?.hostIp, "10.11.0.9");
    }
  });

  test("an interrupted start is destroyed on its host as well", () => {
    const [correction] = planCorrections([row("starting")], live("running"), nobody);
    assert.equal(correction?.destroy, true);
  });

  test("never asks for what the state machine forbids", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SANDBOX_STATUSES),
        fc.option(fc.constantFrom("running", "paused", "error", "starting", "?"), { nil: undefined }),
        fc.boolean(),
        (status, onHost, attended) => {
          const rows = [row(status)];
          for (const { path } of planCorrections(rows, onHost ? live(onHost) : new Map(), () => attended)) {
            let at = status;
            for (const to of path) {
              assert.ok(canTransition(at, to), `${at} to ${to}`);
              at = to;
            }
          }
        },
      ),
    );
  });
});

test("planStrays() names what no row knows, nothing in flight, and nothing that is not ours", () => {
  const [known, flying, stray] = [newSandboxId(), newSandboxId(), newSandboxId()];
  const strays = planStrays(
    [known, flying, stray, "somebody-elses"],
    new Set([known]),
    (id) => id === flying,
  );
  assert.deepEqual(strays, [stray]);
});
