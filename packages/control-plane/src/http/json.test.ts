import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { parseJson } from "./json.ts";

test("parseJson() gives back any JSON value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      fc.pre(!text.includes("__proto__"));
      assert.deepEqual(parseJson(Buffer.from(text)), JSON.parse(text));
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

test("parseJson() takes and refuses values that are deeper than the stack", () => {
  const depth = 100_000;
  const arrays = (inner: string) => Buffer.from("[".repeat(depth) + inner + "]".repeat(depth));
  assert.ok(Array.isArray(parseJson(arrays("1"))));
  assert.throws(
    () => parseJson(arrays('{"__proto__":1}')),
    (e: WrennError) => e.code === "invalid_argument",
  );
});

test("parseJson() names the way to what it refuses", () => {
  assert.throws(
    () => parseJson(Buffer.from('{"a":[1,{"__proto__":1}],"b":2}')),
    (e: WrennError) => e.field === "a.1.__proto__",
  );
});

test("parseJson() refuses text that is not UTF-8, and a byte order mark is no value", () => {
  assert.throws(() => parseJson(Buffer.from([0x22, 0xc3, 0x22])));
});
