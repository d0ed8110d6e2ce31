// The OpenAPI 3.1 document of the route table.
import { ERROR_CODES } from "@wrenn/core";
import type { TSchema } from "typebox";
import { E2bError } from "./e2b/error.ts";
import { E2B_ROUTES } from "./e2b/routes.ts";
import { errorStatuses, type Route, type RouteSuccess, TAGS } from "./route.ts";
import { ROUTES } from "./routes/all.ts";
import { SCHEMAS } from "./schemas/all.ts";
import { KEY_HEADER, RetryAfterHeader } from "./schemas/headers.ts";
import type { NamedSchema } from "./schemas/reference.ts";

type Json = Record<string, unknown>;

/** Makes the document. Plain data: fit for YAML, and for `@fastify/swagger` in static mode. */
export function openApiDocument(options: { version: string; serverUrl?: string }): Json {
  return documentOf({
    ...options,
    routes: ROUTES,
    schemas: SCHEMAS,
    title: "Wrenn Sandbox",
    description:
      "Virtual machines in seconds, commands and files in them. Errors always have the shape of `Error`.",
  });
}

/** The same for what E2B's clients call. */
export function e2bDocument(options: { version: string; serverUrl?: string }): Json {
  return documentOf({
    ...options,
    routes: E2B_ROUTES,
    schemas: [E2bError as unknown as NamedSchema],
    title: "Wrenn Sandbox for E2B's clients",
    description: "What the published E2B SDKs call. Unknown fields are accepted and left.",
  });
}

interface Contents {
  version: string;
  serverUrl?: string;
  routes: readonly Route[];
  schemas: readonly NamedSchema[];
  title: string;
  description: string;
}

function documentOf({ version, serverUrl = "/", routes, schemas, title, description }: Contents): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title,
      version,
      description,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: serverUrl }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(schemas.map((schema) => [schema.$id, plain(schema)])),
      securitySchemes: {
        key: { type: "apiKey", in: "header", name: KEY_HEADER, description: "`wrn_` and 64 hex digits." },
      },
    },
  };
}

function operation(route: Route): Json {
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    tags: [route.tag],
    security: security(route),
    parameters: [
      ...parameters("path", route.params),
      ...parameters("query", route.query),
      ...parameters("header", route.headers),
    ],
    ...(route.body && {
      requestBody: {
        required: route.body.optional !== true,
        content: { [route.body.contentType]: { schema: plain(route.body.schema) } },
      },
    }),
    responses: responses(route),
  };
}

function security(route: Route): Json[] {
  if (route.auth === "none") return [];
  return route.auth === "key" ? [{ key: [] }] : [{ key: [] }, {}];
}

function parameters(place: "path" | "query" | "header", schema: TSchema | undefined): Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, TSchema & { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    description: property.description,
    schema: plain(property),
  }));
}

function responses(route: Route): Json {
  const { status, also } = route.success;
  const byStatus: Json = { [status]: success(route.success) };
  if (also !== undefined) byStatus[also] = success(route.success);
  for (const [failure, codes] of errorStatuses(route)) {
    byStatus[failure] = {
      description: codes.map((code) => `\`${code}\``).join(", "),
      ...(failure === ERROR_CODES.capacity.http && {
        headers: { "retry-after": header(RetryAfterHeader) },
      }),
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
  }
  return byStatus;
}

function success({ description, headers, content }: RouteSuccess): Json {
  return {
    description,
    ...(headers && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, schema]) => [name, header(schema)])),
    }),
    ...(content && { content: { [content.type]: { schema: plain(content.schema) } } }),
  };
}

function header(schema: TSchema & { description?: string }): Json {
  return { description: schema.description, schema: plain(schema) };
}

/** A schema as plain JSON, with references to components instead of to `$id`s. */
function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    if (key === "$id") return undefined;
    if (key === "$ref") return `#/components/schemas/${String(value).replace(/#$/, "")}`;
    return value;
  }) as Json;
}
