import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry, LogLevel } from "./entry.ts";
import { MAX_ENTRIES, select } from "./sandbox-log.ts";

const entry = (second: number, level: LogLevel, message: string): LogEntry => ({
  at: new Date(second * 1000),
  level,
  message,
  fields: {},
});
const LOG = [entry(3, "warn", "three"), entry(1, "debug", "one"), entry(2, "error", "two")];
const messages = (query: Parameters<typeof select>[1]) => select(LOG, query).map(({ message }) => message);

test("in order of time, either way, from a time on", () => {
  assert.deepEqual(messages({}), ["one", "two", "three"]);
  assert.deepEqual(messages({ direction: "backward" }), ["three", "two", "one"]);
  assert.deepEqual(messages({ cursor: 2000 }), ["two", "three"]);
  assert.deepEqual(messages({ cursor: 2000, direction: "backward" }), ["two", "one"]);
});

test("by level and by what is said, within the bound", () => {
  assert.deepEqual(messages({ level: "warn" }), ["two", "three"]);
  assert.deepEqual(messages({ search: "t" }), ["two", "three"]);
  assert.deepEqual(messages({ limit: 1 }), ["one"]);
  assert.deepEqual(messages({ limit: 0 }), []);
  const many = Array.from({ length: MAX_ENTRIES + 10 }, (_, at) => entry(at, "info", "x"));
  assert.equal(select(many, { limit: 10 * MAX_ENTRIES }).length, MAX_ENTRIES);
});
