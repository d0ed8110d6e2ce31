import assert from "node:assert/strict";
import { test } from "node:test";
import { typedQuery } from "./query.ts";

const schema = {
  properties: { limit: { type: "integer" }, overwrite: { type: "boolean" }, name: { type: "string" } },
};

test("typedQuery() reads numbers and booleans in their canonical spelling", () => {
  const typed = typedQuery(schema, { limit: "20", overwrite: "true", name: "7" });
  assert.deepEqual(typed, { limit: 20, overwrite: true, name: "7" });
  assert.deepEqual(typedQuery(schema, { limit: "-1", overwrite: "false" }), { limit: -1, overwrite: false });
});

test("typedQuery() leaves other spellings to the validation", () => {
  for (const limit of ["", "07", "1.0", "1e3", " 1", "0x10", "+1", "-0", "99999999999999999999"]) {
    assert.equal(typedQuery(schema, { limit })["limit"], limit);
  }
  for (const overwrite of ["", "1", "TRUE", "yes"])
    assert.equal(typedQuery(schema, { overwrite })["overwrite"], overwrite);
});

test("typedQuery() keeps repeated and inherited names as they are", () => {
  assert.deepEqual(typedQuery(schema, { limit: ["1", "2"] }), { limit: ["1", "2"] });
  assert.deepEqual(typedQuery(schema, { toString: "1", constructor: "2" }), {
    toString: "1",
    constructor: "2",
  });
});
