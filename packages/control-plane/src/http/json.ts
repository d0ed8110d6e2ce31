// JSON from outside: only what can be kept and passed on as it is.
import { WrennError } from "@wrenn/core";

/** Parses UTF-8 JSON. Throws `invalid_argument`. */
export function parseJson(bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new WrennError("invalid_argument", "the body is not valid JSON in UTF-8", { cause });
  }
  rejectPrototypeKeys(value, "");
  return value;
}

/** `__proto__` as a key is no attack on a parser, but it vanishes in the next copy of the object. */
function rejectPrototypeKeys(value: unknown, path: string): void {
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    const field = path === "" ? key : `${path}.${key}`;
    if (key === "__proto__")
      throw new WrennError("invalid_argument", `${field} is not a possible name`, { field });
    rejectPrototypeKeys((value as Record<string, unknown>)[key], field);
  }
}
