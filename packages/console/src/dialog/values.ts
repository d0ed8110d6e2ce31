// What was typed into fields, as the API takes it.
import { parsePairs } from "../text/pairs.ts";
import { FieldError, type Values } from "./dialog.ts";

/** Text, or undefined when the field is empty. */
export function textOf(values: Values, name: string): string | undefined {
  const text = values.get(name)?.trim();
  return text === "" ? undefined : text;
}

/** A whole number, or undefined when the field is empty. Its range is the service's to judge. */
export function numberOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw new FieldError(name, "a whole number is needed");
  return Number(text);
}

/** `key=value` lines, or undefined when there is none. */
export function pairsOf(values: Values, name: string): Record<string, string> | undefined {
  try {
    return parsePairs(values.get(name) ?? "");
  } catch (error) {
    if (error instanceof SyntaxError) throw new FieldError(name, error.message);
    throw error;
  }
}

/** The same object without the parts that are undefined. */
export function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
