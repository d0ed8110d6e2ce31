import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode, WrennError } from "@wrenn/core";
import { fromThrown, toErrorAnswer } from "./errors.ts";

test("toErrorAnswer() has the status of every code, and nothing of the cause", () => {
  for (const [code, { http }] of Object.entries(ERROR_CODES)) {
    const cause = new Error("secret");
    const error = new WrennError(code as ErrorCode, "what", { field: "f", retryAfterSec: 3, cause });
    const answer = toErrorAnswer(error);
    assert.equal(answer.status, http);
    assert.deepEqual(answer.body, { error: { code, message: "what", field: "f" } });
    assert.deepEqual(answer.headers, { "retry-after": "3" });
    assert.equal(JSON.stringify(answer).includes("secret"), false);
  }
});

test("toErrorAnswer() leaves out a field that there is none of", () => {
  assert.deepEqual(toErrorAnswer(new WrennError("internal", "what")).body, {
    error: { code: "internal", message: "what" },
  });
});

const withCode = (code: string) => Object.assign(new Error("inside"), { code });

test("fromThrown() knows the framework's and the database's failures by their codes", () => {
  for (const [code, expected] of [
    ["FST_ERR_CTP_BODY_TOO_LARGE", "too_large"],
    ["FST_ERR_CTP_INVALID_MEDIA_TYPE", "unsupported_media_type"],
    ["FST_ERR_CTP_INVALID_CONTENT_LENGTH", "invalid_argument"],
    ["FST_ERR_BAD_URL", "invalid_argument"],
    ["08006", "unavailable"],
    ["53300", "unavailable"],
    ["57P01", "unavailable"],
    ["ECONNREFUSED", "unavailable"],
    ["23505", "internal"],
    ["EACCES", "internal"],
  ]) {
    assert.equal(fromThrown(withCode(code as string)).code, expected, code);
  }
});

test("fromThrown() tells nothing of what it does not know", () => {
  for (const reason of [new Error("select secret"), "secret", undefined, null]) {
    const { code, message } = fromThrown(reason);
    assert.equal(code, "internal");
    assert.equal(message.includes("secret"), false);
  }
});
