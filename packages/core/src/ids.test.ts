import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { assertName, assertSandboxId, isName, isSandboxId, newSandboxId, newToken } from "./ids.ts";

describe("identifiers", () => {
  it("newSandboxId() makes distinct ids of the accepted shape", () => {
    const ids = Array.from({ length: 2000 }, newSandboxId);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every(isSandboxId));
  });

  it("newToken() is 64 hex digits", () => assert.match(newToken(), /^[0-9a-f]{64}$/));

  it("no accepted name can leave its directory or be taken for an option", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 70 }), (value) => {
        if (!isName(value)) return;
        assert.ok(
          !value.includes("/") && !value.includes("\0") && !/^[.-]/.test(value) && value.length <= 64,
        );
      }),
      { numRuns: 5000 },
    );
    for (const bad of ["", "..", ".x", "-x", "a/b", "a\0b", "a\n", "x".repeat(65)])
      assert.ok(!isName(bad), bad);
    for (const good of ["minimal", "a", "A.b_c-1", "x".repeat(64)]) assert.ok(isName(good), good);
  });

  it("the assertions name the field", () => {
    assert.throws(() => assertName("../x", "template"), { code: "invalid_argument", field: "template" });
    assert.throws(() => assertSandboxId("sb-short"), { code: "invalid_argument", field: "sandbox_id" });
    assert.throws(() => assertSandboxId(`${newSandboxId()}\n`), { code: "invalid_argument" });
  });
});
