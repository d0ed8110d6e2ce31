import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { documentedStatuses, errorStatuses, fastifyPath, pathParams, ROUTES, type Route } from "../index.ts";

const routes = ROUTES as readonly Route[];

/** What api-v1.md lists, and the routes decided on since; method and path. */
const CONTRACT = [
  "POST /v1/sandboxes",
  "GET /v1/sandboxes",
  "GET /v1/sandboxes/{id}",
  "GET /v1/sandboxes/{id}/ports/{port}",
  "DELETE /v1/sandboxes/{id}",
  "POST /v1/sandboxes/{id}/exec",
  "POST /v1/sandboxes/{id}/pause",
  "POST /v1/sandboxes/{id}/resume",
  "POST /v1/sandboxes/{id}/fork",
  "POST /v1/sandboxes/{id}/restore",
  "POST /v1/sandboxes/{id}/ping",
  "POST /v1/sandboxes/{id}/files/write",
  "POST /v1/sandboxes/{id}/files/read",
  "GET /v1/sandboxes/{id}/exec/stream",
  "POST /v1/sandboxes/{id}/exec/ticket",
  "POST /v1/sandboxes/{id}/files/stream/write",
  "POST /v1/sandboxes/{id}/files/stream/read",
  "POST /v1/templates",
  "GET /v1/templates/{name}/build",
  "DELETE /v1/templates/{name}",
  "POST /v1/snapshots",
  "GET /v1/snapshots",
  "DELETE /v1/snapshots/{name}",
  "GET /v1/keys",
  "POST /v1/keys",
  "DELETE /v1/keys/{id}",
  "GET /v1/storage",
  "GET /health",
  "GET /metrics",
  "GET /openapi.yaml",
];

describe("ROUTES", () => {
  it("holds the contract's routes and no others", () => {
    const held = routes.map((route) => `${route.method} ${route.path}`);
    assert.deepEqual(held.toSorted(), CONTRACT.toSorted());
  });

  it("has unique operation ids", () => {
    assert.equal(new Set(routes.map((route) => route.operationId)).size, routes.length);
  });

  for (const route of routes) {
    it(`${route.operationId}: parameters are those of its path`, () => {
      const properties = (route.params as { properties?: object } | undefined)?.properties ?? {};
      assert.deepEqual(Object.keys(properties), pathParams(route.path));
    });

    it(`${route.operationId}: documents the failures that its kind of route has`, () => {
      const statuses = documentedStatuses(route);
      assert.equal(new Set(statuses).size, statuses.length);
      // Every route refuses query parameters that it does not know.
      assert.ok(statuses.includes(400));
      if (route.auth !== "none") assert.ok(statuses.includes(401));
      if (route.params) assert.ok(statuses.includes(404));
      if (route.body) assert.ok(statuses.includes(413));
    });
  }
});

describe("errorStatuses()", () => {
  it("groups codes that share a status, in ascending order", () => {
    const exec = routes.find((route) => route.operationId === "execInSandbox");
    assert.ok(exec);
    const statuses = errorStatuses(exec);
    assert.deepEqual(statuses.get(400), ["invalid_argument", "command_not_found"]);
    assert.deepEqual(
      [...statuses.keys()],
      [...statuses.keys()].toSorted((a, b) => a - b),
    );
  });
});

describe("fastifyPath()", () => {
  it("turns braces into colons", () => {
    assert.equal(fastifyPath("/v1/sandboxes/{id}/exec"), "/v1/sandboxes/:id/exec");
  });
});
