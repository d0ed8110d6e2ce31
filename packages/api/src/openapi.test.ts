import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openApiDocument, ROUTES, SCHEMAS } from "./index.ts";

interface Operation {
  operationId: string;
  security: object[];
  parameters: { name: string; in: string; required: boolean; description?: string }[];
  requestBody?: { required: boolean; content: object };
  responses: Record<string, { description: string; headers?: object }>;
}

const document = openApiDocument({ version: "1.2.3" });
const paths = document["paths"] as Record<string, Record<string, Operation>>;

describe("openApiDocument()", () => {
  it("has one operation for each route", () => {
    const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map((op) => op.operationId));
    assert.deepEqual(ids.toSorted(), ROUTES.map((route) => route.operationId).toSorted());
  });

  it("resolves every reference", () => {
    const components = (document["components"] as { schemas: object }).schemas;
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]);
    assert.ok(references.length > SCHEMAS.length);
    for (const reference of references) {
      const name = /^#\/components\/schemas\/([A-Za-z]+)$/.exec(reference ?? "")?.[1];
      assert.ok(name !== undefined && Object.hasOwn(components, name), `${reference} resolves`);
    }
    assert.ok(!JSON.stringify(document).includes('"$id"'));
  });

  it("describes every parameter, and requires those of the path", () => {
    for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods))) {
      for (const parameter of operation.parameters) {
        assert.equal(typeof parameter.description, "string", `${operation.operationId} ${parameter.name}`);
        assert.equal(parameter.required, parameter.in === "path");
      }
    }
  });

  it("says which routes need a key", () => {
    assert.deepEqual(paths["/health"]?.["get"]?.security, []);
    assert.deepEqual(paths["/metrics"]?.["get"]?.security, [{ key: [] }, {}]);
    assert.deepEqual(paths["/v1/sandboxes"]?.["post"]?.security, [{ key: [] }]);
  });

  it("documents Retry-After, cursors, and bodies that may be left out", () => {
    assert.ok(paths["/v1/sandboxes"]?.["post"]?.responses["429"]?.headers);
    assert.ok(paths["/v1/sandboxes"]?.["get"]?.responses["200"]?.headers);
    assert.equal(paths["/v1/sandboxes"]?.["post"]?.requestBody?.required, false);
    assert.equal(paths["/v1/sandboxes/{id}/exec"]?.["post"]?.requestBody?.required, true);
  });
});
