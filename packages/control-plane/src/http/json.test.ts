import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { parseJson } from "./json.ts";

test("parseJson() gives back any JSON value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(parseJson(Buffer.from(JSON.stringify(value))), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("parseJson() throws nothing but invalid_argument, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        parseJson(Buffer.from(bytes));
      } catch (reason) {
        assert.ok(reason instanceof WrennError && reason.code === "invalid_argument");
      }
    }),
  );
});

test("parseJson() refuses __proto__ as a name at any depth, however it is written", () => {
  for (const text of ['{"__proto__":1}', '{"a":[{"\\u005f_proto__":1}]}']) {
    assert.throws(
      () => parseJson(Buffer.from(text)),
      (e: WrennError) => e.field?.endsWith("__proto__") === true,
    );
  }
});

test("parseJson() refuses text that is not UTF-8, and a byte order mark is no value", () => {
  assert.throws(() => parseJson(Buffer.from([0x22, 0xc3, 0x22])));
});
