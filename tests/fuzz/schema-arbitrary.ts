// Values for schemas: what is allowed, and what is not by exactly one change.
import fc from "fast-check";
import { type Schema, validator } from "./document.ts";
import { once } from "./once.ts";
import { invalidTexts, validText } from "./text-arbitrary.ts";

/** Values that the schema allows, bounds among them. */
export const validValue: (schema: Schema) => fc.Arbitrary<unknown> = once((schema: Schema) => {
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(validValue));
  switch (schema.type) {
    case "object":
      return validObject(schema);
    case "array":
      return fc.array(validValue(schema.items ?? {}), { maxLength: Math.min(4, schema.maxItems ?? 4) });
    case "string":
      return validText(schema);
    case "integer":
      return validInteger(schema);
    case "number":
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default:
      return fc.jsonValue();
  }
});

/** Values that the schema does not allow. Nothing when it allows everything. */
export const invalidValue: (schema: Schema) => fc.Arbitrary<unknown> | undefined = once((schema: Schema) => {
  const check = validator(schema);
  const wrong = [...OTHER_TYPES, ...outOfRange(schema)].filter((value) => !check(value));
  const choices: fc.Arbitrary<unknown>[] = wrong.length > 0 ? [fc.constantFrom(...wrong)] : [];
  if (schema.type === "object") choices.push(...spoiltObjects(schema));
  if (schema.type === "array" && schema.items) choices.push(...spoiltArrays(schema, schema.items));
  if (schema.anyOf) choices.push(...schema.anyOf.flatMap((branch) => spoilt(branch, schema)));
  return choices.length > 0 ? fc.oneof(...choices) : undefined;
});

/** One of each type, and numbers that other languages cannot hold. */
const OTHER_TYPES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  "",
  "1",
  "true",
  [],
  [null],
  {},
  { a: 1 },
];

function outOfRange(schema: Schema): readonly unknown[] {
  if (schema.type === "string") return invalidTexts(schema);
  const { minimum = 0, maximum = 0 } = schema;
  if (schema.type === "integer") return [minimum - 1, maximum + 1, minimum + 0.5, String(minimum)];
  return [];
}

function validInteger({ minimum = -(2 ** 31), maximum = 2 ** 31 - 1, default: fallback }: Schema) {
  const bounds = [
    minimum,
    minimum + 1,
    maximum - 1,
    maximum,
    ...(typeof fallback === "number" ? [fallback] : []),
  ];
  const inRange = bounds.filter((value) => value >= minimum && value <= maximum);
  return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(...inRange));
}

type Fields = Record<string, unknown>;

function validObject(schema: Schema): fc.Arbitrary<Fields> {
  const named = mapValues(schema.properties ?? {}, validValue);
  const fields = fc.record(named, { requiredKeys: schema.required ?? [] }) as fc.Arbitrary<Fields>;
  const [rest] = Object.entries(schema.patternProperties ?? {});
  if (!rest) return fields.map((value) => ({ ...value }));
  const [pattern, child] = rest;
  const extra = fc.dictionary(validText(nameSchema(pattern)), validValue(child), { maxKeys: 3 });
  return fc
    .tuple(fields, extra)
    .map(([own, more]) => ({ ...own, ...more }))
    .filter((value) => validator(schema)(value));
}

/** A valid object with one thing wrong with it: a field too many, one too few, one that is not valid itself. */
function spoiltObjects(schema: Schema): fc.Arbitrary<Fields>[] {
  const check = validator(schema);
  const valid = validObject(schema);
  const with_ = (name: string, values: fc.Arbitrary<unknown>) =>
    fc.tuple(valid, values).map(([object, value]) => ({ ...object, [name]: value }));
  const unknownNames = ["unknown", "constructor", "toString", "ID", "x".repeat(300), "\u0000"];
  const choices = [
    ...unknownNames.map((name) => with_(name, fc.jsonValue({ maxDepth: 2 }))),
    ...(schema.required ?? []).map((name) => valid.map((object) => without(object, name))),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
      const bad = invalidValue(child);
      return bad ? [with_(name, bad)] : [];
    }),
    ...Object.entries(schema.patternProperties ?? {}).flatMap(([pattern, child]) => {
      const bad = invalidValue(child);
      const names = invalidTexts(nameSchema(pattern));
      return [...(bad ? [with_("key", bad)] : []), ...names.map((name) => with_(name, validValue(child)))];
    }),
    ...(schema.maxProperties === undefined ? [] : [valid.map((object) => crowded(object, schema))]),
  ];
  // A name that is unknown to one schema may be known to another.
  return choices.map((choice) => choice.filter((value) => !check(value)));
}

function spoiltArrays(schema: Schema, items: Schema): fc.Arbitrary<unknown>[] {
  const bad = invalidValue(items);
  const valid = validValue(schema) as fc.Arbitrary<unknown[]>;
  const choices: fc.Arbitrary<unknown>[] = [];
  if (bad)
    choices.push(fc.tuple(valid, bad, valid).map(([before, item, behind]) => [...before, item, ...behind]));
  const { maxItems } = schema;
  if (maxItems !== undefined && maxItems <= 10_000) {
    choices.push(validValue(items).map((item) => Array.from({ length: maxItems + 1 }, () => shortest(item))));
  }
  return choices;
}

/** Many long items would test the bound on the body instead. */
function shortest(item: unknown): unknown {
  return typeof item === "string" ? "x" : item;
}

/** A branch's invalid values that no other branch allows. */
function spoilt(branch: Schema, whole: Schema): fc.Arbitrary<unknown>[] {
  const bad = invalidValue(branch);
  return bad ? [bad.filter((value) => !validator(whole)(value))] : [];
}

const nameSchemas = new Map<string, Schema>();

/** The names of pattern properties as a schema, the same one each time. */
function nameSchema(pattern: string): Schema {
  const schema: Schema = nameSchemas.get(pattern) ?? { type: "string", pattern };
  nameSchemas.set(pattern, schema);
  return schema;
}

function crowded(object: Fields, { maxProperties = 0 }: Schema): Fields {
  const more = Array.from({ length: maxProperties + 1 }, (_, index) => [`k${index}`, "v"]);
  return { ...object, ...Object.fromEntries(more) };
}

function without(object: Fields, name: string): Fields {
  const { [name]: _, ...rest } = object;
  return rest;
}

function mapValues<A, B>(object: Record<string, A>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}
