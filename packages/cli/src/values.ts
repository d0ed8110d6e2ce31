// Reading the values of flags.
import { UsageError } from "./failure.ts";

/** A whole number; its bounds are the service's to judge. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}

/** `KEY=VALUE` pairs as an object. The value may be empty, and may contain `=`. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new UsageError(`expected KEY=VALUE, got ${JSON.stringify(text)}`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Like {@link pairs}, but a name alone takes its value from this environment, if it has one. */
export function environment(
  texts: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const given = texts.flatMap((text) => {
    if (text.includes("=")) return [text];
    return env[text] === undefined ? [] : [`${text}=${env[text]}`];
  });
  return pairs(given);
}

/** An object without the properties that are undefined. */
export function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
