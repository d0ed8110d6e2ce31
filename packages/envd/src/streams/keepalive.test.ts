import assert from "node:assert/strict";
import { test } from "node:test";
import { keepaliveInterval } from "./keepalive.ts";

test("keepaliveInterval() reads seconds, within bounds", () => {
  const interval = (value?: string) =>
    keepaliveInterval(new Headers(value === undefined ? {} : { "keepalive-ping-interval": value }));
  assert.deepEqual(
    [undefined, "", "x", "-1", "0", "1.5", "1", "50", "999999999"].map(interval),
    [90_000, 90_000, 90_000, 90_000, 90_000, 90_000, 1000, 50_000, 3_600_000],
  );
});
