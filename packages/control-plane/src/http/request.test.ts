// What is read off a request's head: its id, and where it comes from.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { isLoopback } from "./loopback.ts";
import { requestIdOf } from "./request-id.ts";

test("requestIdOf() takes a well-formed id over and makes a new one otherwise", () => {
  const id = (value?: string) =>
    requestIdOf({ headers: value === undefined ? {} : { "x-request-id": value } });
  assert.equal(id("trace-1.a_B"), "trace-1.a_B");
  for (const bad of [undefined, "", "a b", "x".repeat(65), 'a"b', "ä", "a\nb"])
    assert.match(id(bad), /^[0-9a-f-]{36}$/);
  assert.notEqual(id(), id());
});

test("isLoopback() is true for this machine, and never behind a proxy", () => {
  const from = (remoteAddress: string | undefined, headers = {}) =>
    isLoopback({ socket: { remoteAddress }, headers } as unknown as IncomingMessage);
  for (const local of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    assert.equal(from(local), true, local);
  for (const other of ["10.0.0.1", "::2", "::ffff:10.0.0.1", "1127.0.0.1", undefined])
    assert.equal(from(other), false);
  for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
    assert.equal(from("127.0.0.1", { [header]: "127.0.0.1" }), false, header);
  }
});
