import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennApiError, WrennConnectionError } from "@wrenn/sdk";
import { exitStatus, failureStatus } from "./exit-status.ts";

describe("exitStatus()", () => {
  it("is the command's own", () => {
    for (const exitCode of [0, 1, 124, 255]) assert.equal(exitStatus({ exitCode }), exitCode);
  });

  it("is 128 + number after a signal, 124 after a time-out", () => {
    assert.equal(exitStatus({ exitCode: null, signal: "SIGKILL" }), 137);
    assert.equal(exitStatus({ exitCode: null, signal: "SIGTERM" }), 143);
    assert.equal(exitStatus({ exitCode: null, timedOut: true, signal: "SIGKILL" }), 124);
  });

  it("never makes a success out of an end that is not known", () => {
    assert.equal(exitStatus({ exitCode: null }), 125);
    assert.equal(exitStatus({ exitCode: null, signal: "SIGUNHEARDOF" }), 125);
  });
});

describe("failureStatus()", () => {
  it("is 127 for a command that was not found, else 125", () => {
    const error = (code: "command_not_found" | "not_found") =>
      new WrennApiError({ status: undefined, code, message: "no" });
    assert.equal(failureStatus(error("command_not_found")), 127);
    assert.equal(failureStatus(error("not_found")), 125);
    assert.equal(failureStatus(new WrennConnectionError("gone")), 125);
  });
});
