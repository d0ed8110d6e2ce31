// Short forms for the parts that most routes of the E2B surface share.
import { type TSchema, Type } from "typebox";
import type { RouteBody, RouteSuccess } from "../route.ts";
import { NextTokenHeader } from "../schemas/headers.ts";

/** Clients leave bodies out, and send them in chunks. */
export const body = (schema: TSchema): RouteBody => ({
  contentType: "application/json",
  schema,
  optional: true,
});

export const json = (status: 200 | 201 | 202, description: string, schema: TSchema): RouteSuccess => ({
  status,
  description,
  content: { type: "application/json", schema },
});

/** An array of which a client asks for one page. */
export const page = (description: string, schema: TSchema): RouteSuccess => ({
  ...json(200, description, Type.Array(schema, { description })),
  headers: { "x-next-token": NextTokenHeader },
});
