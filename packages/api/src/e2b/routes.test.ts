import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { documentedStatuses, E2B_ROUTES, e2bDocument, pathParams, ROUTES, type Route } from "../index.ts";

const routes = E2B_ROUTES as readonly Route[];

describe("E2B_ROUTES", () => {
  it("shares neither paths nor operation ids with the v1 API", () => {
    const v1 = ROUTES as readonly Route[];
    const places = [...routes, ...v1].map(({ method, path }) => `${method} ${path}`);
    assert.equal(new Set(places).size, places.length);
    const ids = [...routes, ...v1].map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("has documented parameters and failures, each status once", () => {
    for (const route of routes) {
      const properties = (route.params as { properties?: object } | undefined)?.properties ?? {};
      assert.deepEqual(Object.keys(properties), pathParams(route.path), route.operationId);
      const statuses = documentedStatuses(route);
      assert.equal(new Set(statuses).size, statuses.length, route.operationId);
      assert.ok(statuses.includes(400));
      if (route.auth !== "none") assert.ok(statuses.includes(401));
    }
  });

  it("makes a document of its own whose references resolve", () => {
    const document = JSON.stringify(e2bDocument({ version: "1" }));
    const references = [...document.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]);
    assert.deepEqual([...new Set(references)], ["#/components/schemas/Error"]);
    assert.ok(!document.includes('"$id"') && !document.includes("/v1/"));
  });
});
