// Short forms for the parts that most routes of the E2B surface share.
import type { TSchema } from "typebox";
import type { RouteBody, RouteSuccess } from "../route.ts";

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
