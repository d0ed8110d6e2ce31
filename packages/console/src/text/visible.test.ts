import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isTreacherous, visible } from "./visible.ts";

describe("visible()", () => {
  it("leaves what can be seen", () => {
    for (const text of ["", "build-42", "<script>alert(1)</script>", "مرحبا", "日本語", "a b"]) {
      assert.equal(visible(text), text);
    }
  });

  it("writes out what cannot", () => {
    assert.equal(visible("a\u{202e}gpj.exe"), "a\\u{202e}gpj.exe");
    assert.equal(visible("\u{1b}[31mred\u{7f}"), "\\u{1b}[31mred\\u{7f}");
    assert.equal(visible("one\ntwo\r\t\u{2028}"), "one\\ntwo\\r\\t\\u{2028}");
    assert.equal(visible("\u{feff}\u{200b}\u{2066}\u{e0041}"), "\\u{feff}\\u{200b}\\u{2066}\\u{e0041}");
  });

  it("leaves nothing behind that draws nothing, whatever comes in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(visible(text), /[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe("isTreacherous()", () => {
  it("tells what turns or hides text from what joins letters", () => {
    for (const character of [
      "\u{202e}",
      "\u{2066}",
      "\u{61c}",
      "\u{200b}",
      "\u{feff}",
      "\u{2029}",
      "\u{1b}",
    ]) {
      assert.equal(isTreacherous(character), true, character.codePointAt(0)?.toString(16));
    }
    for (const character of ["a", " ", "é", "\u{200d}", "\u{200c}", "\u{fe0f}", "\u{301}", "ع"]) {
      assert.equal(isTreacherous(character), false, character.codePointAt(0)?.toString(16));
    }
  });
});
