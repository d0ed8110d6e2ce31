// What a route of the API is, and the little that is computed from one.
import { ERROR_CODES, type ErrorCode } from "@wrenn/core";
import type { TSchema } from "typebox";

export interface RouteBody {
  contentType: "application/json" | "multipart/form-data" | "application/octet-stream";
  schema: TSchema;
  /** Whether the body may be left out; it then counts as `{}`. */
  optional?: boolean;
}

export interface RouteSuccess {
  status: 101 | 200 | 201 | 202 | 204;
  /** Another status with the same content. */
  also?: 201;
  description: string;
  /** Absent for an empty answer. */
  content?: { type: string; schema: TSchema };
  /** Response headers by lower-case name. */
  headers?: Readonly<Record<string, TSchema>>;
}

/** `key_or_loopback`: a request from the machine itself needs no key. */
export type RouteAuth = "key" | "none" | "key_or_loopback";

export interface Route {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** With parameters in braces, as in OpenAPI: `/v1/sandboxes/{id}`. */
  path: string;
  /** The name of the route in code; unique. */
  operationId: string;
  /** One line. */
  summary: string;
  /** What the summary leaves out. */
  description?: string;
  tag: Tag;
  auth: RouteAuth;
  params?: TSchema;
  /** Query values are text: numbers and booleans in these schemas are parsed from it. */
  query?: TSchema;
  headers?: TSchema;
  body?: RouteBody;
  success: RouteSuccess;
  /** Every failure it may answer with; anything else is a defect. */
  errors: readonly ErrorCode[];
  /** Set when the route is upgraded to a WebSocket. */
  websocket?: true;
}

export const TAGS = {
  sandboxes: "Sandboxes: virtual machines that are made, used and thrown away.",
  exec: "Running commands.",
  files: "Files in and out.",
  templates: "What sandboxes are made from.",
  keys: "API keys.",
  system: "The service itself.",
} as const;

export type Tag = keyof typeof TAGS;

/** The documented failures of a route by HTTP status, with the codes that share each. */
export function errorStatuses(route: Route): Map<number, ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of route.errors) {
    const { http } = ERROR_CODES[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** Every status a route may answer with, success first. */
export function documentedStatuses(route: Route): number[] {
  const { status, also } = route.success;
  return [status, ...(also === undefined ? [] : [also]), ...errorStatuses(route).keys()];
}

/** The names in braces of a path, in order. */
export function pathParams(path: string): string[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] as string);
}

/** A path in the notation of Fastify: `{id}` becomes `:id`. */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{([^}]+)\}/g, ":$1");
}
