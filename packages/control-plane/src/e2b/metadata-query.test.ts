import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { metadataFilter } from "./metadata-query.ts";

test("metadataFilter() reads what npm e2b 2.51.0 sends for {'k y': 'v&1'}", () => {
  const onTheWire = "k%252520y%3Dv%2525261";
  assert.deepEqual(metadataFilter(decodeURIComponent(onTheWire)), { "k y": "v&1" });
});

test("metadataFilter() reads names and values that need no encoding at any level", () => {
  assert.deepEqual(metadataFilter("owner=build-42&team=a"), { owner: "build-42", team: "a" });
  assert.deepEqual(metadataFilter(""), {});
});

test("metadataFilter() gives back whatever the client encoded", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.array(fc.tuple(part, part)), (entries) => {
      const expected = Object.fromEntries(entries.filter(([key]) => key !== "__proto__"));
      const encode = (text: string) => encodeURIComponent(encodeURIComponent(text));
      const pairs = Object.entries(expected).map(([key, value]) => `${encode(key)}=${encode(value)}`);
      assert.deepEqual(metadataFilter(pairs.join("&")), expected);
    }),
  );
});

test("metadataFilter() refuses what is no pair", () => {
  for (const wrong of ["a", "=b", "a=%", "a=%2500"]) {
    assert.throws(() => metadataFilter(wrong), { code: "invalid_argument", field: "metadata" }, wrong);
  }
});
