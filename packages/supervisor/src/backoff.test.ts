import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.ts";

test("waits twice as long each time, up to a bound, until something lived for a minute", () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: 12 }, () => backoff.next(10));
  assert.deepEqual(delays.slice(0, 5), [100, 200, 400, 800, 1600]);
  assert.equal(delays.at(-1), 10_000);
  assert.equal(backoff.next(59_999), 10_000);
  assert.equal(backoff.next(60_000), 100);
  assert.equal(backoff.next(10), 200);
});
