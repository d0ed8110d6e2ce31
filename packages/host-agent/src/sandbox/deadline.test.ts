import assert from "node:assert/strict";
import { test } from "node:test";
import { moveDeadline, newDeadline } from "./deadline.ts";

const at = (timeoutSec: number, deadline: number | null) =>
  ({ ttlMode: "deadline", timeoutSec, deadline }) as const;

test("newDeadline() counts from now, and only in deadline mode", () => {
  assert.equal(newDeadline({ ttlMode: "deadline", timeoutSec: 5 }, 1_000), 6_000);
  assert.equal(newDeadline({ ttlMode: "deadline", timeoutSec: 0 }, 1_000), null);
  assert.equal(newDeadline({ ttlMode: "inactivity", timeoutSec: 5 }, 1_000), null);
});

test("moveDeadline() may shorten, unless the caller only extends", () => {
  assert.deepEqual(moveDeadline(at(60, 60_000), { timeoutSec: 5, extendOnly: false }, 1_000), at(5, 6_000));
  assert.deepEqual(moveDeadline(at(60, 60_000), { timeoutSec: 5, extendOnly: true }, 1_000), at(60, 60_000));
  assert.deepEqual(moveDeadline(at(60, 60_000), { timeoutSec: 90, extendOnly: true }, 1_000), at(90, 91_000));
});

test("moveDeadline() keeps what has no end without one when it only extends", () => {
  assert.deepEqual(moveDeadline(at(0, null), { timeoutSec: 5, extendOnly: true }, 1_000), at(0, null));
});

test("moveDeadline() makes an inactivity limit a deadline only when it is set outright", () => {
  const idle = { ttlMode: "inactivity", timeoutSec: 60, deadline: null } as const;
  assert.deepEqual(moveDeadline(idle, { timeoutSec: 5, extendOnly: true }, 1_000), idle);
  assert.deepEqual(moveDeadline(idle, { timeoutSec: 5, extendOnly: false }, 1_000), at(5, 6_000));
});
