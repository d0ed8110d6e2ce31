// Query strings: parameters as documented, or one that is unknown, doubled or out of range among them.
import fc from "fast-check";
import { type Parameter, type Schema, validator } from "./document.ts";
import { invalidValue, validValue } from "./schema-arbitrary.ts";

export interface Query {
  /** Empty, or with the question mark. */
  text: string;
  /** What is wrong with it. */
  wrong?: string;
}

/** A query that the parameters allow. */
export function validQuery(parameters: readonly Parameter[]): fc.Arbitrary<Query> {
  return validPairs(parameters).map((pairs) => ({ text: queryString(pairs) }));
}

/** A query with one pair that they do not allow. */
export function invalidQuery(parameters: readonly Parameter[]): fc.Arbitrary<Query> {
  const unknown = fc.constantFrom(...UNKNOWN).map((text): WrongPair => ({ text }));
  const wrong = fc.oneof(unknown, ...parameters.flatMap(wrongPairs));
  return fc.tuple(validPairs(parameters), wrong).map(([pairs, { text, name }]) => {
    const others = name === undefined ? pairs : pairs.filter((other) => !other.startsWith(`${name}=`));
    return { text: queryString([...others, text]), wrong: text.slice(0, 60) };
  });
}

const UNKNOWN = [
  "unknown=1",
  "__proto__=1",
  "constructor=x",
  "Limit=1",
  "limit[]=1",
  "%00=1",
  "%ff=%ff",
  "a%3Db=c",
];

interface WrongPair {
  text: string;
  /** The parameter that it replaces. */
  name?: string;
}

function validPairs(parameters: readonly Parameter[]): fc.Arbitrary<string[]> {
  const values = Object.fromEntries(parameters.map(({ name, schema }) => [name, validValue(schema)]));
  const requiredKeys = parameters.filter(({ required }) => required).map(({ name }) => name);
  return fc
    .record(values, { requiredKeys })
    .map((query) => Object.entries(query).map(([name, value]) => pair(name, String(value))));
}

function wrongPairs({ name, schema }: Parameter): fc.Arbitrary<WrongPair>[] {
  const twice = validValue(schema).map((value) => {
    const text = pair(name, String(value));
    return { text: `${text}&${text}`, name };
  });
  const values = invalidValue(schema)
    ?.filter((value) => typeof value !== "object")
    .map(String)
    .filter((text) => text.isWellFormed() && !validator(schema)(asTyped(schema, text)))
    .map((text) => ({ text: pair(name, text), name }));
  return values ? [twice, values] : [twice];
}

/** In a query everything is text: what is wrong as a number may be right as a text, and the other way round. */
function asTyped({ type }: Schema, text: string): unknown {
  if (type === "integer" && /^-?\d+$/.test(text)) return Number(text);
  if (type === "boolean" && /^(?:true|false)$/.test(text)) return text === "true";
  return text;
}

function pair(name: string, value: string): string {
  return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
}

function queryString(pairs: readonly string[]): string {
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}
