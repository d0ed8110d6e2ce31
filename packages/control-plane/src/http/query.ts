// Query strings: text becomes what the schema says it is, in its one canonical spelling.

interface Properties {
  properties?: Readonly<Record<string, { type?: string }>>;
}

/**
 * Numbers and booleans of a query by their schema. Other spellings (`07`, `1.0`, `TRUE`) stay text, which the
 * validation then refuses. A name that comes twice is an array, which no schema here allows.
 */
export function typedQuery(
  schema: Properties,
  query: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const types = schema.properties ?? {};
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const type = Object.hasOwn(types, name) ? types[name]?.type : undefined;
      return [name, typeof value === "string" ? typed(type, value) : value];
    }),
  );
}

function typed(type: string | undefined, text: string): unknown {
  if (type === "integer" && /^(?:0|-?[1-9]\d{0,14})$/.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}
