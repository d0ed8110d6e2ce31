import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { Compile } from "typebox/compile";
import { ROUTES, type Route, SCHEMAS } from "../index.ts";

type Node = { [key: string]: unknown };

const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addFormat("binary", true);
for (const schema of SCHEMAS) ajv.addSchema(JSON.parse(JSON.stringify(schema)));

/** A header schema stays open: requests carry other headers too. */
const inline = (ROUTES as readonly Route[]).flatMap((route) =>
  (["params", "query", "headers"] as const).flatMap((part) => {
    const schema = route[part];
    return schema ? [{ name: `${route.operationId} ${part}`, schema, closed: part !== "headers" }] : [];
  }),
);
const named = SCHEMAS.map((schema) => ({ name: schema.$id, schema, closed: true }));

function validator(name: string): ValidateFunction {
  const validate = ajv.getSchema(name);
  assert.ok(validate, `${name} is registered`);
  return validate;
}

/** Every schema node below `schema`, with the way to it. */
function* nodes(schema: Node, way: string): Generator<[string, Node]> {
  yield [way, schema];
  for (const key of ["properties", "patternProperties"]) {
    for (const [name, child] of Object.entries((schema[key] ?? {}) as Record<string, Node>)) {
      yield* nodes(child, `${way}.${name}`);
    }
  }
  for (const child of (schema["anyOf"] ?? []) as Node[]) yield* nodes(child, `${way}|`);
  if (schema["items"]) yield* nodes(schema["items"] as Node, `${way}[]`);
}

describe("schemas", () => {
  it("have unique ids", () => {
    assert.equal(new Set(SCHEMAS.map((schema) => schema.$id)).size, SCHEMAS.length);
  });

  for (const { name, schema, closed } of [...named, ...inline]) {
    const text = JSON.parse(JSON.stringify(schema)) as Node;

    it(`${name}: compiles with TypeBox and ajv, and its examples are valid in both`, () => {
      const examples = text["examples"] as unknown[];
      assert.ok(examples.length > 0, "has an example");
      const validate = text["$id"] ? validator(String(text["$id"])) : ajv.compile(text);
      const compiled = Compile(schema);
      for (const example of examples) {
        assert.ok(validate(example), JSON.stringify(validate.errors));
        assert.ok(compiled.Check(example), "TypeBox agrees");
      }
    });

    it(`${name}: every property has a description, every object is closed`, () => {
      for (const [way, node] of nodes(text, name)) {
        for (const [property, child] of Object.entries((node["properties"] ?? {}) as Record<string, Node>)) {
          assert.equal(typeof child["description"], "string", `${way}.${property} has a description`);
        }
        if (closed && node["type"] === "object") assert.equal(node["additionalProperties"], false, way);
      }
    });
  }
});

describe("bounds", () => {
  const refused: [schema: string, value: unknown][] = [
    ["CreateSandboxRequest", { vcpus: 9 }],
    ["CreateSandboxRequest", { vcpus: "1" }],
    ["CreateSandboxRequest", { memory_mb: 127 }],
    ["CreateSandboxRequest", { disk_mb: 65537 }],
    ["CreateSandboxRequest", { timeout_sec: 86401 }],
    ["CreateSandboxRequest", { template: "../etc" }],
    ["CreateSandboxRequest", { template: "a".repeat(65) }],
    ["CreateSandboxRequest", { colour: "red" }],
    ["CreateSandboxRequest", { envs: { "A=B": "1" } }],
    ["CreateSandboxRequest", { metadata: { a: 1 } }],
    ["ExecRequest", { cmd: "" }],
    ["ExecRequest", { cmd: "a\0b" }],
    ["ExecRequest", { cmd: "a\ud800b" }],
    ["ExecRequest", { cmd: "ls", args: Array(1025).fill("x") }],
    ["ExecRequest", { cmd: "ls", cwd: "relative" }],
    ["ExecRequest", { cmd: "ls", timeout_sec: 0 }],
    ["ReadFileRequest", { path: "/a/../b" }],
    ["ReadFileRequest", { path: "/.." }],
    ["ReadFileRequest", { path: "" }],
    ["ReadFileRequest", { path: `/${"a".repeat(4096)}` }],
    ["ForkRequest", { count: 65 }],
    ["ExecClientMessage", { type: "stdin", data: "not base64!" }],
    ["ExecClientMessage", { type: "signal", signal: "SIGNONSENSE" }],
    ["ExecClientMessage", { type: "start", cmd: "sh", pty: { cols: 0, rows: 24 } }],
    ["CreateApiKeyRequest", { name: "line\nbreak" }],
  ];
  for (const [schema, value] of refused) {
    it(`${schema} refuses ${JSON.stringify(value).slice(0, 60)}`, () => {
      assert.equal(validator(schema)(value), false);
    });
  }

  const accepted: [schema: string, value: unknown][] = [
    ["ExecRequest", { cmd: "écho 😀", args: ["", "\n"], stdin: "a\0b" }],
    ["ReadFileRequest", { path: "/a/..b/c.." }],
    ["ReadFileRequest", { path: "/" }],
    ["CreateSandboxRequest", { timeout_sec: 0, metadata: { a: "😀" } }],
    ["ExecClientMessage", { type: "stdin", data: "" }],
    ["ExecServerMessage", { type: "exit", exit_code: null, timed_out: true }],
  ];
  for (const [schema, value] of accepted) {
    it(`${schema} accepts ${JSON.stringify(value).slice(0, 60)}`, () => {
      const validate = validator(schema);
      assert.ok(validate(value), JSON.stringify(validate.errors));
    });
  }
});
