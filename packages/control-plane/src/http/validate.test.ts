import assert from "node:assert/strict";
import { test } from "node:test";
import { E2B_ROUTES, ROUTES, type Route } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { compile } from "./validate.ts";

test("the schema of every route can be compiled, and refuses what is wrong as a client's mistake", () => {
  let refused = 0;
  for (const { operationId, params, query, body } of [
    ...Object.values<Route>(ROUTES),
    ...Object.values<Route>(E2B_ROUTES),
  ])
    for (const schema of [
      params,
      query,
      body?.contentType === "application/json" ? body.schema : undefined,
    ]) {
      if (schema === undefined) continue;
      const check = compile(schema);
      assert.throws(
        () => check(["no object"]),
        (error) => error instanceof WrennError && error.code === "invalid_argument",
        operationId,
      );
      refused += 1;
    }
  assert.ok(refused > 20, `${refused} schemas`);
});
