import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "./failure.ts";
import { defined, environment, pairs, wholeNumber } from "./values.ts";

describe("wholeNumber()", () => {
  it("reads digits and nothing else", () => {
    assert.equal(wholeNumber("0"), 0);
    assert.equal(wholeNumber("86400"), 86400);
    for (const text of ["", "-1", "1.5", "1e3", "0x10", " 1", "many", "9".repeat(10)]) {
      assert.throws(() => wholeNumber(text), UsageError, text);
    }
  });
});

describe("pairs()", () => {
  it("splits at the first =", () => {
    assert.deepEqual(pairs(["A=1", "B=", "C=x=y"]), { A: "1", B: "", C: "x=y" });
  });

  it("refuses what is no pair", () => {
    for (const text of ["A", "=1", ""]) assert.throws(() => pairs([text]), UsageError, text);
  });
});

describe("environment()", () => {
  it("takes the value of a bare name from here, and leaves out what is not set", () => {
    const env = { HOME: "/root", EMPTY: "" };
    assert.deepEqual(environment(["HOME", "EMPTY", "MISSING", "A=b"], env), {
      HOME: "/root",
      EMPTY: "",
      A: "b",
    });
  });
});

describe("defined()", () => {
  it("drops undefined and nothing else", () => {
    assert.deepEqual(defined({ a: undefined, b: 0, c: "", d: false }), { b: 0, c: "", d: false });
  });
});
