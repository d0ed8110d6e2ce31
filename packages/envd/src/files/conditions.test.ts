import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateConditions } from "./conditions.ts";

const MODIFIED = Date.parse("2026-01-02T03:04:05.678Z");
const SAME = new Date(MODIFIED).toUTCString();
const BEFORE = new Date(MODIFIED - 1000).toUTCString();
const AFTER = new Date(MODIFIED + 1000).toUTCString();

test("evaluateConditions() follows RFC 9110, 13.2.2", () => {
  for (const [headers, verdict] of [
    [{}, "send"],
    [{ "if-none-match": '"x"' }, "not-modified"],
    [{ "if-none-match": 'W/"x"' }, "not-modified"],
    [{ "if-none-match": '"a", "x"' }, "not-modified"],
    [{ "if-none-match": "*" }, "not-modified"],
    [{ "if-none-match": '"y"' }, "send"],
    [{ "if-modified-since": SAME }, "not-modified"],
    [{ "if-modified-since": AFTER }, "not-modified"],
    [{ "if-modified-since": BEFORE }, "send"],
    [{ "if-modified-since": "yesterday" }, "send"],
    [{ "if-none-match": '"y"', "if-modified-since": AFTER }, "send"],
    [{ "if-match": '"x"' }, "send"],
    [{ "if-match": 'W/"x"' }, "failed"],
    [{ "if-match": '"y"' }, "failed"],
    [{ "if-unmodified-since": BEFORE }, "failed"],
    [{ "if-unmodified-since": SAME }, "send"],
    [{ "if-match": '"x"', "if-unmodified-since": BEFORE }, "send"],
    [{ "if-range": '"x"' }, "send"],
    [{ "if-range": 'W/"x"' }, "whole"],
    [{ "if-range": '"y"' }, "whole"],
    [{ "if-range": SAME }, "send"],
    [{ "if-range": AFTER }, "whole"],
  ] as const) {
    const now = { etag: '"x"', modifiedMs: MODIFIED };
    assert.equal(evaluateConditions(new Headers(headers), now), verdict, JSON.stringify(headers));
  }
});
