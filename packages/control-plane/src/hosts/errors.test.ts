import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ERROR_CODES, type ErrorCode, WrennError } from "@wrenn/core";
import { fromRawBody, fromRpc, unreachable, wasNeverSent } from "./errors.ts";

const system = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: "connect" });

describe("fromRpc()", () => {
  test("keeps every code that the host names, with field and message", () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const error = fromRpc(
        new ConnectError("why", Code.Unknown, { "wrenn-code": code, "wrenn-field": "cmd" }),
        "trying",
      );
      assert.equal(error.code, code);
      if (code !== "deadline_exceeded") assert.deepEqual([error.message, error.field], ["why", "cmd"]);
    }
  });

  test("goes by the Connect code when the host names none, or one that is unknown", () => {
    for (const [connect, code] of [
      [Code.InvalidArgument, "invalid_argument"],
      [Code.NotFound, "not_found"],
      [Code.FailedPrecondition, "invalid_state"],
      [Code.ResourceExhausted, "capacity"],
      [Code.Unimplemented, "not_implemented"],
      [Code.DeadlineExceeded, "deadline_exceeded"],
      [Code.Unavailable, "unavailable"],
      [Code.Aborted, "unavailable"],
      [Code.Internal, "internal"],
      [Code.Unknown, "internal"],
    ] as const) {
      assert.equal(fromRpc(new ConnectError("why", connect), "trying").code, code);
      assert.equal(fromRpc(new ConnectError("why", connect, { "wrenn-code": "bogus" }), "trying").code, code);
    }
  });

  test("says nothing of an unexpected failure but what was tried", () => {
    assert.equal(fromRpc(new Error("secret"), "trying").message, "trying failed on the host");
  });

  test("proposes when to try again", () => {
    const full = (metadata = {}) =>
      fromRpc(new ConnectError("full", Code.ResourceExhausted, metadata), "trying");
    assert.equal(full().retryAfterSec, 5);
    assert.equal(full({ "wrenn-code": "capacity", "wrenn-retry-after": "17" }).retryAfterSec, 17);
  });
});

test("fromRawBody() reads the host's JSON, and survives anything else", () => {
  const error = fromRawBody(404, '{"code":"not_found","message":"no file","field":"path"}', "reading");
  assert.deepEqual([error.code, error.message, error.field], ["not_found", "no file", "path"]);
  for (const text of ["", "<html>", "null", "[]", '{"code":7}', '{"code":"bogus"}']) {
    assert.equal(fromRawBody(500, text, "reading").code, "internal");
  }
});

test("wasNeverSent() is true only when nobody listened, or the host refuses", () => {
  assert.equal(wasNeverSent(new WrennError("unavailable", "no host")), true);
  assert.equal(wasNeverSent(unreachable("trying", system("ECONNREFUSED"))), true);
  assert.equal(wasNeverSent(unreachable("trying", system("ENOENT"))), true);
  assert.equal(wasNeverSent(unreachable("trying", system("ECONNRESET"))), false);
  const wrapped = new ConnectError("refused", Code.Unavailable, undefined, undefined, system("ECONNREFUSED"));
  assert.equal(wasNeverSent(fromRpc(wrapped, "trying")), true);
  const broken = new ConnectError("the connection was closed before the answer", Code.Unavailable);
  assert.equal(wasNeverSent(fromRpc(broken, "trying")), false);
  const said = new ConnectError("this host is shutting down", Code.Unavailable, {
    "wrenn-code": "unavailable",
  });
  assert.equal(wasNeverSent(fromRpc(said, "trying")), true);
});
