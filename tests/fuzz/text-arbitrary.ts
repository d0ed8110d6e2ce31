// Texts for string schemas: valid ones, ones at the bounds, and ones behind them.
import fc from "fast-check";
import { type Schema, validator } from "./document.ts";
import { once } from "./once.ts";

/** Pieces that have broken parsers, shells, terminals, databases and file systems. */
const NASTY = [
  "\u0000",
  "\ud800",
  "é",
  "日本語",
  "😀",
  "\u202e",
  "\ufeff",
  "\r\n",
  "\u001b[2J",
  "'",
  '"',
  "\\",
  "`id`",
  "$(id)",
  "; id",
  "' or 1=1 --",
  "%s%n",
  "%00",
  "../",
  "/../..",
  "{{7*7}}",
  "__proto__",
  " ",
];

/** Whole values of the same kind. */
const NASTY_VALUES = ["", ".", "..", "/", "//", "../../../etc/passwd", "/etc/../../x", "-rf", "null", "NaN"];

/** Texts that the schema allows: simple ones, ones with a nasty piece in them, the longest that are allowed. */
export const validText: (schema: Schema) => fc.Arbitrary<string> = once((schema: Schema) => {
  const check = validator(schema);
  const bounds = [...lengths(schema), ...NASTY_VALUES].filter((value) => check(value));
  const plain = plainText(schema);
  const spiced = fc
    .tuple(plain, fc.constantFrom(...NASTY), fc.nat(16))
    .map(([text, piece, at]) => ({ text, with: text.slice(0, at) + piece + text.slice(at) }))
    .map(({ text, with: spicedText }) => (check(spicedText) ? spicedText : text));
  return fc.oneof(
    { arbitrary: plain, weight: 4 },
    { arbitrary: spiced, weight: 3 },
    ...(bounds.length > 0 ? [{ arbitrary: fc.constantFrom(...bounds), weight: 1 }] : []),
  );
});

/** Texts that the schema does not allow; nothing when it allows all. */
export const invalidTexts: (schema: Schema) => readonly string[] = once((schema: Schema) => {
  const check = validator(schema);
  const example = exampleOf(schema);
  const candidates = [
    ...NASTY_VALUES,
    ...NASTY,
    ...NASTY.flatMap((piece) => [piece + example, example + piece]),
    ...lengths(schema),
  ];
  return [...new Set(candidates)].filter((text) => !check(text));
});

function plainText(schema: Schema): fc.Arbitrary<string> {
  const { pattern, minLength = 0, maxLength = 64 } = schema;
  const check = validator(schema);
  const free = fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 32) });
  const matching = (pattern === undefined ? free : matchingText(pattern)).filter((text) => check(text));
  const examples = (schema.examples ?? []).filter((value) => check(value)) as string[];
  return examples.length > 0 ? fc.oneof(matching, fc.constantFrom(...examples)) : matching;
}

/** Made once for each pattern: classes of Unicode take fast-check a second. */
const patterns = new Map<string, fc.Arbitrary<string>>();

function matchingText(pattern: string): fc.Arbitrary<string> {
  const known =
    patterns.get(pattern) ?? fc.stringMatching(new RegExp(withoutLookahead(pattern), "u"), { size: "small" });
  patterns.set(pattern, known);
  return known;
}

/** Texts of the lengths at which something changes: the bound and the ones beside it, in one byte and in many. */
function lengths(schema: Schema): string[] {
  const bounds = [schema.minLength, schema.maxLength, ...repetitions(schema.pattern)];
  const around = bounds.flatMap((bound) =>
    bound === undefined ? [] : [bound - 1, bound, bound + 1, bound + 2],
  );
  const example = exampleOf(schema);
  return [...new Set(around)]
    .filter((length) => length > 0)
    .flatMap((length) => ["a", "😀"].map((fill) => example.slice(0, length).padEnd(length, fill)))
    .map((text) => text.toWellFormed());
}

/** The upper ends of `{n,m}` in a pattern. */
function repetitions(pattern = ""): number[] {
  return [...pattern.matchAll(/\{(?:\d+,)?(\d+)\}/g)].map((match) => Number(match[1]));
}

function exampleOf(schema: Schema): string {
  const [example] = schema.examples ?? [];
  return typeof example === "string" ? example : "";
}

/** fast-check generates no look-ahead; what is generated without it is filtered by the whole pattern. */
function withoutLookahead(pattern: string): string {
  const start = pattern.indexOf("(?!");
  if (start < 0) return pattern;
  let depth = 0;
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") at++;
    else if (character === "(") depth++;
    else if (character === ")" && --depth === 0)
      return withoutLookahead(pattern.slice(0, start) + pattern.slice(at + 1));
  }
  throw new Error(`unbalanced pattern ${pattern}`);
}
