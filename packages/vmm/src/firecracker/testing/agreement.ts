// Whether our schemas and calls say the same as a published description of Firecracker's API (Swagger 2.0).
import { OPERATIONS, type Operation } from "../api/operations.ts";
import { SCHEMAS } from "../api/schemas.ts";

export interface Description {
  info?: { version?: string };
  paths?: Record<string, Record<string, DescribedCall>>;
  definitions?: Record<string, Described>;
}

interface DescribedCall {
  parameters?: { in: string; schema?: Described }[];
  responses?: Record<string, { schema?: Described }>;
}

/** A schema, as far as the description uses JSON Schema. */
interface Described {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Described>;
  items?: Described;
}

/** What is compared with what; both sides are schemas. */
interface Pair {
  where: string;
  ours: Described;
  theirs: Described | undefined;
}

/** Each difference that matters, as a sentence. Fields that we never send may be there, unless they are required. */
export function disagreements(description: Description): string[] {
  const definitions = description.definitions ?? {};
  return [
    ...Object.entries(SCHEMAS).flatMap(([name, ours]) =>
      compare({ where: name, ours: ours as Described, theirs: definitions[name] }, definitions),
    ),
    ...Object.values(OPERATIONS).flatMap((operation: Operation) => compareCall(operation, description)),
  ];
}

function compareCall({ method, path, body, answer }: Operation, description: Description): string[] {
  const where = `${method} ${path}`;
  const paths = Object.entries(description.paths ?? {});
  const [, methods] = paths.find(([theirs]) => theirs.replace(/\{\w+\}/g, "{id}") === path) ?? [];
  const call = methods?.[method.toLowerCase()];
  if (!call) return [`${where} is not described`];
  const definitions = description.definitions ?? {};
  const taken = call.parameters?.find((parameter) => parameter.in === "body")?.schema;
  const status = answer === undefined ? "204" : "200";
  const response = call.responses?.[status];
  return [
    ...(body
      ? compare({ where: `${where} takes`, ours: body as Described, theirs: taken }, definitions)
      : []),
    ...(!body && taken ? [`${where} takes something`] : []),
    ...(response ? [] : [`${where} does not answer with ${status}`]),
    ...(answer && response
      ? compare(
          { where: `${where} answers`, ours: answer as Described, theirs: response.schema },
          definitions,
        )
      : []),
  ];
}

function compare({ where, ours, theirs: named }: Pair, definitions: Record<string, Described>): string[] {
  const theirs = resolve(named, definitions);
  if (!theirs) return [`${where} is not described`];
  const type = ours.type ?? (ours.enum ? "string" : undefined);
  const found: string[] = [];
  if (type !== theirs.type) found.push(`${where} is ${theirs.type ?? "of no type"}, not ${type}`);
  for (const key of ["minimum", "maximum"] as const)
    if (ours[key] !== theirs[key]) found.push(`${where} has ${key} ${theirs[key]}, not ${ours[key]}`);
  if (sorted(ours.enum) !== sorted(theirs.enum))
    found.push(`${where} is one of ${theirs.enum}, not ${ours.enum}`);
  if (ours.properties && sorted(ours.required) !== sorted(theirs.required))
    found.push(`${where} requires ${sorted(theirs.required)}, not ${sorted(ours.required)}`);
  for (const [name, property] of Object.entries(ours.properties ?? {}))
    found.push(
      ...compare(
        { where: `${where}.${name}`, ours: property, theirs: theirs.properties?.[name] },
        definitions,
      ),
    );
  if (ours.items)
    found.push(...compare({ where: `${where}[]`, ours: ours.items, theirs: theirs.items }, definitions));
  return found;
}

function resolve(
  schema: Described | undefined,
  definitions: Record<string, Described>,
): Described | undefined {
  const name = schema?.$ref?.replace("#/definitions/", "");
  return name === undefined ? schema : definitions[name];
}

function sorted(values: readonly unknown[] | undefined): string {
  return JSON.stringify([...(values ?? [])].sort());
}
