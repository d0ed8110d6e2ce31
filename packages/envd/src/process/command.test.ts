import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WrennError } from "@wrenn/core";
import { checkDirectory } from "./command.ts";

describe("checkDirectory()", () => {
  it("takes a directory that the user may enter", () => {
    checkDirectory("/", () => true);
  });

  for (const [what, cwd, mayEnter] of [
    ["a directory that is not there", "/absent", true],
    ["a file", "/etc/passwd", true],
    ["a path through a file", "/etc/passwd/below", true],
    ["a name that is too long", `/${"n".repeat(300)}`, true],
    ["a directory that the user may not enter", "/", false],
  ] as const) {
    it(`says that ${what} is the caller's mistake`, () => {
      assert.throws(
        () => checkDirectory(cwd, () => mayEnter),
        ({ code, field }: WrennError) => code === "invalid_argument" && field === "cwd",
      );
    });
  }
});
