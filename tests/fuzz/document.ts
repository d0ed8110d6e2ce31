// The served OpenAPI document as data to generate requests from and to check answers against.
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { parse } from "yaml";
import { once } from "./once.ts";

/** The part of JSON Schema that the document uses. */
export interface Schema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  maxProperties?: number;
  items?: Schema;
  maxItems?: number;
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  default?: unknown;
  examples?: unknown[];
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  schema: Schema;
}

export interface DocumentedAnswer {
  description: string;
  /** Absent for an answer without a body. */
  contentType?: string;
  schema?: Schema;
}

export interface Operation {
  id: string;
  method: string;
  /** With parameters in braces. */
  path: string;
  /** `optional`: a key may be left out, at least from this machine. */
  key: "needed" | "optional" | "none";
  parameters: Parameter[];
  body?: { contentType: string; required: boolean; schema: Schema };
  answers: ReadonlyMap<number, DocumentedAnswer>;
}

export interface ApiDocument {
  operations: Operation[];
  /** A named schema. */
  component(name: string): Schema;
}

type Json = { [key: string]: Json } & Record<string, unknown>;

/** Reads OpenAPI 3.1 in YAML. References are replaced by what they refer to. */
export function readDocument(yaml: string): ApiDocument {
  const raw = parse(yaml) as Json;
  const document = resolver(raw)(raw) as Json;
  const operations = Object.entries(document["paths"] as Json).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      readOperation(path, method.toUpperCase(), operation as Json),
    ),
  );
  return {
    operations,
    component: (name) => {
      const schema: Schema | undefined = document["components"]?.["schemas"]?.[name];
      if (schema === undefined) throw new Error(`the document has no schema ${name}`);
      return schema;
    },
  };
}

function readOperation(path: string, method: string, operation: Json): Operation {
  const [body] = Object.entries((operation["requestBody"]?.["content"] ?? {}) as Json);
  return {
    id: String(operation["operationId"]),
    method,
    path,
    key: keyOf(operation["security"] as unknown as object[]),
    parameters: operation["parameters"] as unknown as Parameter[],
    ...(body && {
      body: {
        contentType: body[0],
        required: operation["requestBody"]?.["required"] === (true as unknown),
        schema: body[1]["schema"] as Schema,
      },
    }),
    answers: new Map(
      Object.entries(operation["responses"] as Json).map(([status, answer]) => [
        Number(status),
        readAnswer(answer),
      ]),
    ),
  };
}

function keyOf(security: object[]): Operation["key"] {
  if (security.length === 0) return "none";
  return security.some((way) => Object.keys(way).length === 0) ? "optional" : "needed";
}

function readAnswer(answer: Json): DocumentedAnswer {
  const [content] = Object.entries((answer["content"] ?? {}) as Json);
  return {
    description: String(answer["description"]),
    ...(content && { contentType: content[0], schema: content[1]["schema"] as Schema }),
  };
}

/** Replaces references; what several refer to is one object afterwards. */
function resolver(root: Json): (node: unknown) => unknown {
  const done = new Map<string, unknown>();
  const within = new Set<string>();
  const follow = (reference: string): unknown => {
    if (within.has(reference)) throw new Error(`${reference} contains itself`);
    const names = reference.split("/").slice(1);
    const target = names.reduce<unknown>((at, name) => (at as Json | undefined)?.[name], root);
    if (target === undefined) throw new Error(`the document has no ${reference}`);
    within.add(reference);
    const value = resolve(target);
    within.delete(reference);
    done.set(reference, value);
    return value;
  };
  const resolve = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(resolve);
    if (typeof node !== "object" || node === null) return node;
    const { $ref: reference } = node as { $ref?: unknown };
    if (typeof reference === "string") return done.get(reference) ?? follow(reference);
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(value)]));
  };
  return resolve;
}

const ajv = new Ajv2020({ strict: false, allErrors: false });
(formats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addFormat("binary", true);

/** The check of a schema, compiled once. */
export const validator: (schema: Schema) => ValidateFunction = once((schema: Schema) => ajv.compile(schema));

/** What is wrong with a value, in words; nothing when it is valid. */
export function violation(schema: Schema, value: unknown): string | undefined {
  const check = validator(schema);
  return check(value) ? undefined : ajv.errorsText(check.errors);
}
