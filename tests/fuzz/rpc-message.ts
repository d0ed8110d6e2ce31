// JSON messages for the methods of a protobuf service: of the right shape, with wrong values in some places.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import fc from "fast-check";

/** Values for fields of these names, besides those that their types give. */
export type Words = Readonly<Record<string, readonly unknown[]>>;

/** A message in proto3 JSON; most of its fields have the right type. */
export function rpcMessage(message: DescMessage, words: Words): fc.Arbitrary<Record<string, unknown>> {
  const fields = message.fields.map((field) => [
    field.jsonName,
    fc.oneof(
      { arbitrary: fieldValue(field, words), weight: 8 },
      { arbitrary: fc.jsonValue({ maxDepth: 2 }), weight: 1 },
    ),
  ]);
  return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] });
}

function fieldValue(field: DescField, words: Words): fc.Arbitrary<unknown> {
  const meant = words[field.localName];
  const typed = typedValue(field, words);
  return meant
    ? fc.oneof({ arbitrary: fc.constantFrom(...meant), weight: 3 }, { arbitrary: typed, weight: 1 })
    : typed;
}

function typedValue(field: DescField, words: Words): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar);
    case "message":
      return rpcMessage(field.message, words);
    case "list":
      return fc.array(field.listKind === "scalar" ? scalar(field.scalar) : fc.jsonValue(), { maxLength: 4 });
    case "map":
      return fc.dictionary(TEXT, field.mapKind === "scalar" ? scalar(field.scalar) : fc.jsonValue(), {
        maxKeys: 4,
      });
    case "enum":
      return fc.integer({ min: -1, max: 5 });
  }
}

const TEXT = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string(),
  fc.constantFrom(
    "",
    "\u0000",
    "../..",
    "/",
    "\ud800",
    "é".repeat(5000),
    "x".repeat(100_000),
    "$(id)",
    "a\nb",
  ),
);

const WHOLE = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53, 1.5, "7", "x", "-9223372036854775808"),
);

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return TEXT;
    case ScalarType.BOOL:
      return fc.oneof(fc.boolean(), fc.constant("true"));
    case ScalarType.BYTES:
      return fc.oneof(fc.base64String(), fc.constantFrom("", "!", "YQ==", "_-8="));
    default:
      return WHOLE;
  }
}
