import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import { guestError } from "./errors.ts";

describe("guestError()", () => {
  it("keeps the code that the agent named", () => {
    const reason = new ConnectError(
      "nope: not found",
      Code.NotFound,
      new Headers({ "wrenn-code": "command_not_found" }),
    );
    assert.equal(guestError(reason, "exec").code, "command_not_found");
  });

  it("takes an unknown user for the caller's mistake, whatever the agent called it", () => {
    const reason = new ConnectError(
      "no user x",
      Code.Unauthenticated,
      new Headers({ "wrenn-code": "unauthorized" }),
    );
    const error = guestError(reason, "exec");
    assert.deepEqual([error.code, error.field], ["invalid_argument", "user"]);
  });

  it("calls a broken connection by its name and says what was attempted", () => {
    for (const reason of [new Error("socket hang up"), new ConnectError("reset", Code.Aborted), "?"]) {
      const error = guestError(reason, "tail");
      assert.equal(error.code, "guest_unreachable");
      assert.match(error.message, /^tail:/);
      assert.equal(error.cause, reason);
    }
  });

  it("does not trust a code that does not exist", () => {
    const reason = new ConnectError("x", Code.Internal, new Headers({ "wrenn-code": "constructor" }));
    assert.equal(guestError(reason, "exec").code, "guest_unreachable");
  });

  it("leaves a WrennError alone", () => {
    const own = new WrennError("no_space", "full");
    assert.equal(guestError(own, "write"), own);
  });
});
