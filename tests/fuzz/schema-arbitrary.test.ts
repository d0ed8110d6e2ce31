import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openApiDocument } from "@wrenn/api";
import fc from "fast-check";
import { stringify } from "yaml";
import { readDocument, type Schema, validator, violation } from "./document.ts";
import { invalidValue, validValue } from "./schema-arbitrary.ts";

const document = readDocument(stringify(openApiDocument({ version: "0" })));

/** Every schema that a request is made from. */
const schemas = document.operations.flatMap(({ id, parameters, body }): [string, Schema][] => [
  ...parameters.map(({ name, schema }): [string, Schema] => [`${id} ${name}`, schema]),
  ...(body ? [[`${id} body`, body.schema] as [string, Schema]] : []),
]);

describe("readDocument()", () => {
  it("finds the operations with their parts", () => {
    const exec = document.operations.find(({ id }) => id === "execInSandbox");
    assert.equal(exec?.method, "POST");
    assert.equal(exec.path, "/v1/sandboxes/{id}/exec");
    assert.equal(exec.key, "needed");
    assert.equal(exec.body?.required, true);
    assert.deepEqual(exec.body.schema.required, ["cmd"]);
    assert.equal(exec.answers.get(200)?.contentType, "application/json");
    assert.deepEqual(exec.answers.get(400)?.schema, document.component("Error"));
    const keys = new Map(document.operations.map(({ id, key }) => [id, key]));
    assert.equal(keys.get("health"), "none");
    assert.equal(keys.get("metrics"), "optional");
  });

  it("refuses a document that refers to itself or to nothing", () => {
    assert.throws(() => readDocument('paths: {}\na: { $ref: "#/a" }'), /contains itself/);
    assert.throws(() => readDocument('paths: {}\na: { $ref: "#/b" }'), /has no #\/b/);
  });
});

describe("validValue() and invalidValue()", () => {
  for (const [name, schema] of schemas) {
    it(`${name}: keep their word`, () => {
      fc.assert(
        fc.property(validValue(schema), (value) => assert.equal(violation(schema, value), undefined)),
        { numRuns: 50 },
      );
      const invalid = invalidValue(schema);
      assert.ok(invalid);
      fc.assert(
        fc.property(invalid, (value) => !validator(schema)(value)),
        { numRuns: 50 },
      );
    });
  }

  it("reach the bounds and both sides of them", () => {
    const schema: Schema = { type: "integer", minimum: 1, maximum: 8 };
    const valid = new Set(fc.sample(validValue(schema), 200));
    assert.ok(valid.has(1) && valid.has(8));
    const invalid = new Set(fc.sample(invalidValue(schema) ?? fc.constant(1), 500));
    assert.ok(invalid.has(0) && invalid.has(9) && invalid.has(1.5) && invalid.has("1"));
  });

  it("fill texts up to their longest length, and over it", () => {
    const schema: Schema = { type: "string", pattern: "^[a-z]*$", maxLength: 10, examples: ["abc"] };
    assert.ok(fc.sample(validValue(schema), 500).includes("abcaaaaaaa"));
    assert.ok(fc.sample(invalidValue(schema) ?? fc.constant(""), 1000).includes("abcaaaaaaaa"));
  });

  it("leave out each required field, and add unknown ones", () => {
    const schema: Schema = {
      type: "object",
      properties: { a: { type: "boolean" }, b: { type: "boolean" } },
      required: ["a"],
      additionalProperties: false,
    };
    const invalid = fc.sample(invalidValue(schema) ?? fc.constant({}), 500);
    const keys = invalid.map((value) => (typeof value === "object" && value ? Object.keys(value) : []));
    assert.ok(keys.some((names) => names.length === 1 && names[0] === "b"));
    assert.ok(keys.some((names) => names.includes("a") && names.includes("unknown")));
  });

  it("have nothing invalid for what allows everything", () => {
    assert.equal(invalidValue({}), undefined);
  });
});
