import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expectedStatuses, type Fault } from "./fault.ts";

describe("expectedStatuses()", () => {
  const route: Fault = { layer: "route", statuses: [404], what: "an empty name" };
  const size: Fault = { layer: "size", statuses: [413], what: "too large" };
  const key: Fault = { layer: "key", statuses: [401], what: "no key" };
  const state: Fault = { layer: "state", statuses: [409], what: "stopped" };
  const value: Fault = { layer: "input", statuses: [400], what: "a value" };
  const type: Fault = { layer: "input", statuses: [415], what: "a type" };

  for (const [what, faults, early, expected] of [
    ["nothing of requests that are right", [], [400], undefined],
    ["the first reason in the promised order, however they are listed", [value, state, key, size], [], [413]],
    ["all reasons of the same rank", [value, type], [], [400, 415]],
    ["what a header may bring about behind the key", [state], [400], [409, 400]],
    ["nothing of that before the key", [key, state], [400], [401]],
    ["the next reason too where a path may lead nowhere", [route, size, value], [], [404, 413]],
  ] as const) {
    it(`expects ${what}`, () => {
      const statuses = expectedStatuses(faults, early);
      assert.deepEqual(statuses && [...statuses], expected);
    });
  }
});
