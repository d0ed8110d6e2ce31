// Short forms for the parts that most routes share.
import { type TSchema, Type } from "typebox";
import type { RouteBody, RouteSuccess } from "../route.ts";
import { NextTokenHeader } from "../schemas/headers.ts";
import { ref } from "../schemas/reference.ts";

/** A JSON body. */
export const jsonBody = (schema: TSchema): RouteBody => ({
  contentType: "application/json",
  schema: ref(schema),
});

/** A JSON body that may be left out. */
export const optionalJsonBody = (schema: TSchema): RouteBody => ({ ...jsonBody(schema), optional: true });

/** A JSON answer. */
export const json = (status: 200 | 201 | 202, description: string, schema: TSchema): RouteSuccess => ({
  status,
  description,
  content: { type: "application/json", schema: ref(schema) },
});

/** A JSON array. */
export const jsonArray = (status: 200 | 201, description: string, schema: TSchema): RouteSuccess => ({
  status,
  description,
  content: { type: "application/json", schema: Type.Array(ref(schema), { description }) },
});

/** A JSON array of which `limit` may ask for one page. */
export const jsonPage = (description: string, schema: TSchema): RouteSuccess => ({
  ...jsonArray(200, description, schema),
  headers: { "x-next-token": NextTokenHeader },
});

/** An empty answer. */
export const noContent = (description: string): RouteSuccess => ({ status: 204, description });
