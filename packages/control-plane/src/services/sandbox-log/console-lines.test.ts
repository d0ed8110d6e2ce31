import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { consoleEntries } from "./console-lines.ts";

const BEGAN = new Date("2026-01-01T00:00:00.000Z");
const NOW = Date.parse("2026-01-01T01:00:00.000Z");
const read = (text: string) => consoleEntries(text, { began: BEGAN, now: NOW });

test("lines of the agent have their own time, others that of the line before", () => {
  const entries = read(
    [
      "[    0.000000] Linux version 6.1",
      '{"time":"2026-01-01T00:00:05.000Z","level":"warn","msg":"rpc failed","code":"not_found","ms":3}',
      "a program printed this",
      "",
    ].join("\n"),
  );
  assert.deepEqual(entries, [
    { at: BEGAN, level: "info", message: "[    0.000000] Linux version 6.1", fields: { source: "console" } },
    {
      at: new Date("2026-01-01T00:00:05.000Z"),
      level: "warn",
      message: "rpc failed",
      fields: { code: "not_found", ms: "3", source: "agent" },
    },
    {
      at: new Date("2026-01-01T00:00:05.000Z"),
      level: "info",
      message: "a program printed this",
      fields: { source: "console" },
    },
  ]);
});

test("a guest cannot claim to be from the future, nor to be the platform", () => {
  const [entry] = read('{"time":"2999-01-01T00:00:00.000Z","level":"fatal","msg":"x","source":"platform"}');
  assert.deepEqual(entry, { at: BEGAN, level: "info", message: "x", fields: { source: "agent" } });
});

test("whatever a guest prints, there is an entry a line, in order of time and bounded", () => {
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ msg: fc.string(), time: fc.string() }).map((said) => JSON.stringify(said)),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = lines.join("\n");
      const entries = read(text);
      assert.equal(entries.length, text.split("\n").filter((part) => part.trim() !== "").length);
      for (const [index, { at, message }] of entries.entries()) {
        assert.ok(at >= (entries[index - 1]?.at ?? BEGAN));
        assert.ok(message.length <= 4096);
      }
    }),
  );
});
