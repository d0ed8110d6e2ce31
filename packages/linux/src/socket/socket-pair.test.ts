import assert from "node:assert/strict";
import { closeSync, readSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { socketPair } from "./socket-pair.ts";

describe("socketPair()", () => {
  it("is two ends of one connection, which end with each other", () => {
    const [a, b] = socketPair();
    const into = Buffer.alloc(8);
    writeSync(a, "to b");
    assert.equal(into.toString("latin1", 0, readSync(b, into)), "to b");
    writeSync(b, "to a");
    assert.equal(into.toString("latin1", 0, readSync(a, into)), "to a");
    closeSync(a);
    assert.equal(readSync(b, into), 0);
    closeSync(b);
  });
});
