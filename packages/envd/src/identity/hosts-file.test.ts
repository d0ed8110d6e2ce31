import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { withOwnName } from "./hosts-file.ts";

describe("withOwnName()", () => {
  for (const [what, before, after] of [
    ["an empty file", "", "127.0.1.1\tnew\n"],
    ["a file without the line", "127.0.0.1 localhost\n", "127.0.0.1 localhost\n127.0.1.1\tnew\n"],
    ["a last line without its end", "::1 ip6", "::1 ip6\n127.0.1.1\tnew\n"],
    ["the former name", "127.0.1.1 old\n::1 x\n", "127.0.1.1\tnew\n::1 x\n"],
    ["aliases and a comment", "127.0.1.1 old.lan old db # mine\n", "127.0.1.1\tnew old.lan db # mine\n"],
    ["a line without names", "127.0.1.1\n", "127.0.1.1\tnew\n"],
    ["a line that is commented out", "#127.0.1.1 old\n", "#127.0.1.1 old\n127.0.1.1\tnew\n"],
    ["a longer address", "127.0.1.10 old\n", "127.0.1.10 old\n127.0.1.1\tnew\n"],
  ] as const) {
    it(`deals with ${what}`, () => assert.equal(withOwnName(before, "new", "old"), after));
  }

  it("changes no other line, and nothing more the second time", () => {
    const line = fc.constantFrom(
      "127.0.0.1 localhost",
      "",
      "# x",
      "::1 a b",
      "127.0.1.1 old q",
      "10.0.0.1\tz",
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const once = withOwnName(lines.join("\n"), "new", "old");
        assert.equal(withOwnName(once, "new", "old"), once);
        const first = lines.findIndex((one) => one.startsWith("127.0.1.1"));
        const others = (all: string[]) => all.filter((_, i) => i !== first).filter((one) => one !== "");
        const kept = others(once.split("\n")).filter((one) => first !== -1 || one !== "127.0.1.1\tnew");
        assert.deepEqual(kept, others(lines));
      }),
    );
  });
});
