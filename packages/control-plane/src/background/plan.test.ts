import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { canTransition, newSandboxId, SANDBOX_STATUSES, type SandboxStatus } from "@wrenn/core";
import fc from "fast-check";
import type { ReconcileRow } from "../db/queries/sandbox-reconcile.ts";
import { type LiveSandbox, planCorrections, planStrays } from "./plan.ts";

const row = (status: SandboxStatus, orphaned = false) => ({ id: "sb-1", status, orphaned }) as ReconcileRow;
const live = (status: string) => new Map<string, LiveSandbox>([["sb-1", { id: "sb-1", status, error: "" }]]);
const nobody = () => false;

const plan = (
  status: SandboxStatus,
  onHost: string | undefined,
  { orphaned = false, inFlight = false } = {},
) =>
  planCorrections(
    [row(status, orphaned)],
    onHost === undefined ? new Map() : live(onHost),
    () => inFlight,
  ).map(({ path }) => path.join(" "));

describe("planCorrections()", () => {
  test("a running row follows its host", () => {
    assert.deepEqual(plan("running", "running"), []);
    assert.deepEqual(plan("running", undefined), ["stopped"]);
    assert.deepEqual(plan("running", "paused"), ["paused"]);
    assert.deepEqual(plan("running", "error"), ["error"]);
  });

  test("a paused row is expected to be absent", () => {
    assert.deepEqual(plan("paused", undefined), []);
    assert.deepEqual(plan("paused", "paused"), []);
    assert.deepEqual(plan("paused", "running"), ["resuming running"]);
  });

  test("unsettled rows belong to whoever works on them", () => {
    for (const status of ["pending", "starting", "pausing", "resuming"] as const) {
      for (const onHost of ["running", undefined]) {
        assert.deepEqual(plan(status, onHost, { orphaned: false }), []);
        assert.deepEqual(plan(status, onHost, { orphaned: true, inFlight: true }), []);
      }
    }
  });

  test("unsettled rows that nobody works on are settled", () => {
    const orphaned = true;
    assert.deepEqual(plan("pending", undefined, { orphaned }), ["stopped"]);
    assert.deepEqual(plan("starting", "running", { orphaned }), ["stopped"]);
    assert.deepEqual(plan("pausing", "running", { orphaned }), ["running"]);
    assert.deepEqual(plan("pausing", undefined, { orphaned }), ["paused"]);
    assert.deepEqual(plan("resuming", "running", { orphaned }), ["running"]);
    assert.deepEqual(plan("resuming", undefined, { orphaned }), ["paused"]);
  });

  test("an interrupted start is destroyed on its host as well", () => {
    const [correction] = planCorrections([row("starting", true)], live("running"), nobody);
    assert.equal(correction?.destroy, true);
  });

  test("never asks for what the state machine forbids", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SANDBOX_STATUSES),
        fc.option(fc.constantFrom("running", "paused", "error", "starting", "?"), { nil: undefined }),
        fc.boolean(),
        fc.boolean(),
        (status, onHost, orphaned, inFlight) => {
          const rows = [row(status, orphaned)];
          for (const { path } of planCorrections(rows, onHost ? live(onHost) : new Map(), () => inFlight)) {
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
