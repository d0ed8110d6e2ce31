// JSON bodies as text: right ones, and ones that are wrong before or after they are parsed.
import { LIMITS } from "@wrenn/core";
import fc from "fast-check";
import { DICTIONARY } from "./dictionary.ts";
import { type Operation, type Schema, validator } from "./document.ts";
import type { Fault } from "./fault.ts";
import { type Fixtures, restrained, startsMachine } from "./fixtures.ts";
import { invalidValue, validValue } from "./schema-arbitrary.ts";

export interface JsonBody {
  /** Absent where it is left out. */
  contentType?: string;
  body: Buffer | undefined;
  faults: readonly Fault[];
}

type Fields = Record<string, unknown>;

const JSON_TYPES = ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"];

const OTHER_TYPES = [
  "text/plain",
  "application/x-www-form-urlencoded",
  "application/json; charset=utf-16",
  "application/jsonx",
  "multipart/form-data; boundary=x",
  "nonsense",
  "*/*",
  "/",
  "",
  undefined,
];

/** Levels that a parser with recursion does not survive. */
const DEPTH = 100_000;

/** A body that the schema allows, held back so that it costs little. */
export function validJson(operation: Operation, fixtures: Fixtures): fc.Arbitrary<JsonBody> {
  const { schema = {}, required = true } = operation.body ?? {};
  const given = fc
    .tuple(validFields(operation, fixtures, schema), fc.constantFrom(...JSON_TYPES))
    .map(([value, contentType]): JsonBody => sized({ contentType, body: bytes(value), faults: [] }));
  return required || startsMachine(operation)
    ? given
    : fc.oneof(given, fc.constant<JsonBody>({ body: undefined, faults: [] }));
}

/** A body with one thing wrong with it. */
export function invalidJson(operation: Operation, fixtures: Fixtures): fc.Arbitrary<JsonBody> {
  const { schema = {}, required = true } = operation.body ?? {};
  const valid = validFields(operation, fixtures, schema);
  const contentType = "application/json";
  const input = (what: string, body: Buffer, named = false): JsonBody =>
    sized({
      contentType,
      body,
      faults: [{ layer: "input", statuses: [400], what, ...(named && { named }) }],
    });
  const wrongValue = invalidValue(schema)?.map((value) =>
    input("a value that is not valid", bytes(value), isPlainObject(value)),
  );
  const wrongType = fc.tuple(valid, fc.constantFrom(...OTHER_TYPES)).map(
    ([value, type]): JsonBody =>
      sized({
        ...(type !== undefined && { contentType: type }),
        body: bytes(value),
        faults: [{ layer: "input", statuses: [415], what: `sent as ${type}` }],
      }),
  );
  const wrongText = valid.chain((value) =>
    fc.constantFrom(...malformed(bytes(value)).map(([what, body]) => input(what, body))),
  );
  const tooLarge = valid.map((value) =>
    sized({
      contentType,
      body: Buffer.concat([bytes(value), Buffer.alloc(LIMITS.jsonBodyBytes, " ")]),
      faults: [],
    }),
  );
  return fc.oneof(
    ...(wrongValue ? [{ arbitrary: wrongValue, weight: 8 }] : []),
    { arbitrary: wrongText, weight: 4 },
    { arbitrary: wrongType, weight: 2 },
    { arbitrary: tooLarge, weight: 1 },
    ...(required ? [{ arbitrary: fc.constant(input("no body", Buffer.alloc(0))), weight: 1 }] : []),
  );
}

function validFields(
  operation: Operation,
  { running, foreign }: Fixtures,
  schema: Schema,
): fc.Arbitrary<Fields> {
  const known: Record<string, readonly string[]> = { ...DICTIONARY, sandbox_id: [running, running, foreign] };
  const names = Object.keys(schema.properties ?? {}).filter((name) => name in known);
  const meant = fc.record(
    Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(known[name] ?? []))])),
    { requiredKeys: [] },
  );
  return fc
    .tuple(validValue(schema) as fc.Arbitrary<Fields>, meant)
    .map(([value, words]) => restrained(operation, { ...value, ...words }))
    .filter((value) => validator(schema)(value));
}

/** Texts that are no JSON, or none that any schema allows. */
function malformed(text: Buffer): [what: string, body: Buffer][] {
  const open = text.subarray(0, -1);
  const comma = open.length > 1 ? "," : "";
  const and = (...parts: (string | Buffer)[]) =>
    Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return [
    ["cut", open],
    ["more behind the end", and(text, "}")],
    ["two values", and(text, text)],
    ["a NUL behind the end", and(text, "\0")],
    ["bytes that are not UTF-8", and(open, comma, '"a":"', Buffer.from([0xff, 0xc0, 0x80]), '"}')],
    ["UTF-16", Buffer.from(text.toString(), "utf16le")],
    ["single quotes", Buffer.from("{'a':1}")],
    ["NaN", Buffer.from("NaN")],
    ["a comment", and("/**/", text)],
    ["a comma too many", and(open, ",}")],
    ["a name without quotes", Buffer.from("{a:1}")],
    ["null", Buffer.from("null")],
    ["an array", and("[", text, "]")],
    ["a text", Buffer.from('"{}"')],
    ["__proto__", and(open, comma, '"__proto__":{"a":1}}')],
    ["arrays in arrays", Buffer.from("[".repeat(DEPTH) + "]".repeat(DEPTH))],
    ["arrays without an end", Buffer.from("[".repeat(DEPTH))],
    ["objects in objects", and(open, comma, `"a":${'{"a":'.repeat(DEPTH)}1${"}".repeat(DEPTH)}}`)],
    ["a number that is too large", and(open, comma, '"unknown":1e999}')],
  ];
}

function bytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Adds what is wrong with the length, if something is. */
function sized(body: JsonBody): JsonBody {
  if ((body.body?.length ?? 0) <= LIMITS.jsonBodyBytes) return body;
  return { ...body, faults: [...body.faults, { layer: "size", statuses: [413], what: "too large" }] };
}

function isPlainObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
