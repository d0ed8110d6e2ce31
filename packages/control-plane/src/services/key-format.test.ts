import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKey } from "./key-format.ts";

const SECRET = "0123456789abcdef".repeat(4);

test("parseKey() takes both prefixes for the same secret", () => {
  assert.equal(parseKey(`wrn_${SECRET}`), SECRET);
  assert.equal(parseKey(`e2b_${SECRET}`), SECRET);
});

test("parseKey() takes nothing else", () => {
  const bad = [
    undefined,
    "",
    SECRET,
    `wrn_${SECRET}0`,
    `wrn_${SECRET.slice(1)}`,
    `WRN_${SECRET}`,
    ` wrn_${SECRET}`,
  ];
  for (const text of [...bad, `wrn_${SECRET.toUpperCase()}`, `wrn_${SECRET}\n`])
    assert.equal(parseKey(text), undefined, text);
});
