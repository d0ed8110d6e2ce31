import assert from "node:assert/strict";
import { it } from "node:test";
import { newId } from "./new-id.ts";
import { looksLikeKey } from "./session.ts";

it("sends nothing away that cannot be a key", () => {
  const digits = "0123456789abcdef".repeat(4);
  assert.equal(looksLikeKey(`wrn_${digits}`), true);
  assert.equal(looksLikeKey(`e2b_${digits}`), true);
  for (const text of [
    "",
    digits,
    `wrn_${digits}0`,
    `wrn_${digits.toUpperCase()}`,
    `wrn_${digits}\n`,
    "hunter2",
  ]) {
    assert.equal(looksLikeKey(text), false, text);
  }
});

it("makes ids that the service takes, each another", () => {
  const ids = new Set(Array.from({ length: 100 }, newId));
  assert.equal(ids.size, 100);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
