import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../failure.ts";
import { parseCopy, parsePlace } from "./place.ts";

const ID = "sb-0123456789abcdef";

describe("parsePlace()", () => {
  it("tells sandboxes, standard streams and local paths apart", () => {
    assert.deepEqual(parsePlace(`${ID}:/a:b\nc`), { kind: "sandbox", id: ID, path: "/a:b\nc" });
    assert.deepEqual(parsePlace("-"), { kind: "stdio" });
    for (const path of ["file", "./-", `./${ID}:/x`, "sb-short:/x", "C:/x"]) {
      assert.deepEqual(parsePlace(path), { kind: "local", path });
    }
  });

  it("refuses paths in a sandbox that are not absolute, and empty ones", () => {
    assert.throws(() => parsePlace(`${ID}:file`), /absolute, as in sb-0123456789abcdef:\/home\/user\/file/);
    assert.throws(() => parsePlace(`${ID}:`), UsageError);
    assert.throws(() => parsePlace(""), UsageError);
  });
});

describe("parseCopy()", () => {
  it("knows the direction", () => {
    assert.equal(parseCopy("a", `${ID}:/b`).direction, "up");
    assert.equal(parseCopy("-", `${ID}:/b`).direction, "up");
    assert.equal(parseCopy(`${ID}:/b`, ".").direction, "down");
    assert.equal(parseCopy(`${ID}:/b`, "-").direction, "down");
  });

  it("refuses two of a kind, with a way out", () => {
    assert.throws(() => parseCopy("a", "b"), /one of the two must be in a sandbox/);
    assert.throws(() => parseCopy(`${ID}:/a`, `${ID}:/b`), /wrenn cp \S+ - \| wrenn cp - /);
  });
});
