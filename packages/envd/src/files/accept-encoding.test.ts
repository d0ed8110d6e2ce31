import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseEncoding } from "./accept-encoding.ts";

test("chooseEncoding() compresses for those who want nothing else, and refuses what it cannot do", () => {
  for (const [header, encoding] of [
    [null, "identity"],
    ["", "identity"],
    ["gzip", "gzip"],
    ["GZip;q=0.5", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, identity;q=0.5", "gzip"],
    ["gzip;q=0.5, identity", "identity"],
    ["gzip, identity;q=0", "gzip"],
    ["gzip;q=0", "identity"],
    ["gzip, deflate", "identity"],
    ["br, gzip, deflate", "identity"],
    ["gzip, deflate, *;q=0", "gzip"],
    ["*", "identity"],
    ["identity;q=0", undefined],
    ["*;q=0", undefined],
    ["br, identity;q=0", undefined],
    ["gzip;q=0, *;q=0", undefined],
    ["*, identity;q=0", "gzip"],
    ["identity, *;q=0", "identity"],
  ] as const) {
    assert.equal(chooseEncoding(header), encoding, String(header));
  }
});
