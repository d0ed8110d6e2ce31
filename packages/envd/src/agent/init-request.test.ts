import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { parseInitRequest } from "./init-request.ts";

test("parseInitRequest() takes a full body", () => {
  const request = parseInitRequest({
    envVars: { A: "1", EMPTY: "" },
    accessToken: "t",
    timestamp: "2026-11-23T12:00:00.123456789+01:00",
    defaultUser: "user",
    defaultWorkdir: "/home/user",
    hostname: "sb-0a",
    entropy: "AAEC",
    hyperloopIP: "10.0.0.1",
  });
  assert.deepEqual(request, {
    envVars: { A: "1", EMPTY: "" },
    accessToken: "t",
    timestamp: Date.UTC(2026, 10, 23, 11, 0, 0, 123),
    defaultUser: "user",
    defaultWorkdir: "/home/user",
    hostname: "sb-0a",
    entropy: Buffer.from([0, 1, 2]),
  });
});

test("parseInitRequest() accepts or refuses any JSON, naming a field", () => {
  const fields = [
    "envVars",
    "accessToken",
    "timestamp",
    "defaultUser",
    "defaultWorkdir",
    "hostname",
    "entropy",
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()), (body) => {
      try {
        const request = parseInitRequest(body);
        for (const value of Object.values(request.envVars ?? {})) assert.equal(typeof value, "string");
      } catch (error) {
        assert.ok(error instanceof WrennError);
        assert.ok(error.code === "invalid_argument" && fields.includes(error.field ?? ""));
      }
    }),
  );
});

test("parseInitRequest() refuses what would not be usable later", () => {
  const wrong: Record<string, unknown>[] = [
    { entropy: "A".repeat(2000) },
    { entropy: "AAE" },
    { hostname: "a".repeat(64) },
    { hostname: "-a" },
    { timestamp: "2026-13-01T00:00:00Z" },
    { timestamp: 5 },
    { envVars: { "": "x" } },
    { envVars: { A: "\0" } },
    { accessToken: "x".repeat(2000) },
    { defaultWorkdir: "~" },
  ];
  for (const body of wrong) {
    assert.throws(
      () => parseInitRequest(body),
      (e) => e instanceof WrennError && e.field === Object.keys(body)[0],
      JSON.stringify(body).slice(0, 60),
    );
  }
});
