import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BOUNDS, type WrennError } from "@wrenn/core";
import { assertCommand } from "./validate.ts";

describe("assertCommand()", () => {
  const { max } = BOUNDS.exec_timeout_sec;

  it("takes a command, with and without a time-out", () => {
    for (const timeoutSec of [0, 1, max]) assertCommand({ cmd: "true", timeoutSec });
  });

  for (const [command, field] of [
    [{ cmd: "", timeoutSec: 0 }, "cmd"],
    [{ cmd: "a\0", timeoutSec: 0 }, "cmd"],
    [{ cmd: "true", timeoutSec: -1 }, "timeout_sec"],
    [{ cmd: "true", timeoutSec: max + 1 }, "timeout_sec"],
  ] as const) {
    it(`names ${field} of ${JSON.stringify(command)}`, () => {
      assert.throws(
        () => assertCommand(command),
        (error: WrennError) => error.code === "invalid_argument" && error.field === field,
      );
    });
  }
});
