// JSON from outside: only what can be kept and passed on as it is.
import { WrennError } from "@wrenn/core";

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Parses UTF-8 JSON. Throws `invalid_argument`. */
export function parseJson(bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw new WrennError("invalid_argument", "the body is not valid JSON in UTF-8", { cause });
  }
  rejectPrototypeKeys(value);
  return value;
}

interface Place {
  value: unknown;
  name: string;
  above: Place | undefined;
}

/**
 * `__proto__` as a key is no attack on a parser, but it vanishes in the next copy of the object. Without recursion:
 * a mebibyte of brackets is deeper than the stack.
 */
function rejectPrototypeKeys(root: unknown): void {
  const places: Place[] = [{ value: root, name: "", above: undefined }];
  for (let place = places.pop(); place; place = places.pop()) {
    if (typeof place.value !== "object" || place.value === null) continue;
    for (const [name, value] of Object.entries(place.value)) {
      const inner = { value, name, above: place };
      if (name === "__proto__") {
        const field = fieldOf(inner);
        throw new WrennError("invalid_argument", `${field} is not a possible name`, { field });
      }
      places.push(inner);
    }
  }
}

/** The way from the root, as the caller would write it: `a.0.b`. */
function fieldOf(place: Place): string {
  const names: string[] = [];
  for (let at: Place | undefined = place; at?.above; at = at.above) names.push(at.name);
  return names.reverse().join(".");
}
