// Strict validation against the schemas of @wrenn/api: nothing is coerced, stripped or filled in.
import { SCHEMAS } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";

/** Returns the value as it came in. Throws `invalid_argument` with the field. */
export type Validate<T> = (value: unknown) => T;

const ajv = new Ajv({
  strict: true,
  // Records have pattern properties beside a closed set of others.
  allowMatchingProperties: true,
  strictRequired: false,
  schemas: SCHEMAS as unknown as object[],
  // These describe answers, which are not checked here.
  formats: { "date-time": true, ipv4: true, binary: true },
});

/**
 * The check of a schema; references to named schemas are resolved. It is compiled when it is first used, since all of
 * them at once would hold up the start; a test compiles each.
 */
export function compile<T>(schema: object): Validate<T> {
  let check: ValidateFunction<T> | undefined;
  return (value) => {
    check ??= ajv.compile<T>(schema);
    if (check(value)) return value;
    const [error] = check.errors ?? [];
    const field = error ? fieldOf(error) : "";
    const message = `${field || "the body"} ${error?.message ?? "is not valid"}${allowed(error)}`;
    throw new WrennError("invalid_argument", message, { field: field || undefined });
  };
}

/** The field as the caller spelled it: `args[3]`, `metadata.owner`. */
function fieldOf({ instancePath, keyword, params }: ErrorObject): string {
  const names = instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (keyword === "additionalProperties") names.push(String(params["additionalProperty"]));
  if (keyword === "required") names.push(String(params["missingProperty"]));
  if (keyword === "propertyNames") names.push(String(params["propertyName"]));
  return names.reduce((path, name) => {
    if (/^\d+$/.test(name)) return `${path}[${name}]`;
    return path === "" ? name : `${path}.${name}`;
  }, "");
}

function allowed(error: ErrorObject | undefined): string {
  const values: unknown = error?.params["allowedValues"];
  return Array.isArray(values) ? `: ${values.join(", ")}` : "";
}
