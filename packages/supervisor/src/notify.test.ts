import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNotice } from "./notify.ts";

test("a line of the supervisor is a notice, anything else is nothing", () => {
  assert.deepEqual(parseNotice('{"say":"wrenn: stopping\\n"}'), { say: "wrenn: stopping\n" });
  assert.deepEqual(parseNotice('{"ready":"it is"}'), { ready: "it is" });
  assert.deepEqual(parseNotice('{"failed":"why"}'), { failed: "why" });
  for (const line of ["", "{", "null", "[]", '{"say":1}', '{"other":"x"}']) {
    assert.equal(parseNotice(line), undefined, line);
  }
});
