import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePairs } from "./pairs.ts";

describe("parsePairs()", () => {
  it("reads a pair a line", () => {
    assert.equal(parsePairs(" \n\n"), undefined);
    assert.deepEqual(parsePairs("owner=build-42\r\n\r\n query = a=b \nempty="), {
      owner: "build-42",
      query: " a=b ",
      empty: "",
    });
  });

  it("takes any key as a key", () => {
    const pairs = parsePairs("__proto__=1\nconstructor=2") ?? {};
    assert.equal(JSON.stringify(pairs), '{"__proto__":"1","constructor":"2"}');
    assert.equal(Object.getPrototypeOf(pairs), Object.prototype);
  });

  it("says which line is wrong", () => {
    assert.throws(() => parsePairs("a=1\nbroken"), new SyntaxError("line 2 is not key=value"));
    assert.throws(() => parsePairs("=x"), new SyntaxError("line 1 is not key=value"));
    assert.throws(() => parsePairs("a=1\n\na=2"), new SyntaxError("line 3 repeats a"));
  });
});
