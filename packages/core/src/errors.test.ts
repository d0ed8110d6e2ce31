import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERROR_CODES, isErrorCode, WrennError } from "./errors.ts";

describe("WrennError", () => {
  it("from() keeps a WrennError and wraps anything else without showing it", () => {
    const own = new WrennError("not_found", "gone");
    assert.equal(WrennError.from(own), own);
    const wrapped = WrennError.from(new Error("postgres://user:secret@host"));
    assert.equal(wrapped.code, "internal");
    assert.doesNotMatch(wrapped.message, /secret/);
    assert.match(String((wrapped.cause as Error).message), /secret/);
  });

  it("every code has a 4xx or 5xx status", () => {
    for (const [code, { http }] of Object.entries(ERROR_CODES)) assert.ok(http >= 400 && http < 600, code);
  });

  it("isErrorCode() is not fooled by inherited properties", () => {
    assert.ok(isErrorCode("capacity"));
    for (const name of ["constructor", "toString", "__proto__", ""]) assert.ok(!isErrorCode(name), name);
  });
});
