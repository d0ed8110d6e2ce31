import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { environmentCommand } from "./environment.ts";

/** What a shell has in `A` after reading the profile that is written for it. */
function inShell(value: string, already: Record<string, string> = {}): string {
  const { args = [] } = environmentCommand({ A: value });
  const script = `${args[1]}printf '%s' "$A"`;
  const env = { PATH: process.env["PATH"] ?? "", ...already };
  const { stdout, status } = spawnSync("bash", ["-c", script], { env, encoding: "utf8" });
  assert.equal(status, 0);
  return stdout;
}

test("a variable has its value, whatever is in it", () => {
  const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
  const tricky = fc.string({
    unit: fc.constantFrom("$", "`", '"', "'", "\\", "}", "{", "!", "\n", " ", "x"),
  });
  fc.assert(
    fc.property(fc.oneof(value, tricky), (text) => {
      assert.equal(inShell(text), text);
    }),
    { numRuns: 20 },
  );
});

test("a variable that is set already stays", () => {
  assert.equal(inShell("template's", { A: "sandbox's" }), "sandbox's");
});
