// Routes of what E2B has and this platform does not: each answers 501 with its name, and not 404, which means something else.
import { Type } from "typebox";
import type { Route } from "../route.ts";
import { WITH_BODY } from "../routes/errors.ts";
import { noContent } from "../routes/json.ts";
import { body } from "./body.ts";

const absent = {
  summary: "Not to be had from this platform",
  tag: "system",
  auth: "key",
  success: noContent("Never."),
  errors: [...WITH_BODY, "not_found", "not_implemented"],
} as const;

const list = { ...absent, query: Type.Object({}) };

const one = (name: "volume" | "secret") => ({
  ...absent,
  params: Type.Object(
    { [name]: Type.String({ maxLength: 256, description: "Whatever it is called.", examples: ["x"] }) },
    { additionalProperties: false, examples: [{ [name]: "x" }] },
  ),
});

const change = body(Type.Object({}));

export const E2B_ABSENT_ROUTES = [
  { ...list, method: "GET", path: "/volumes", operationId: "e2bListVolumes" },
  { ...absent, method: "POST", path: "/volumes", operationId: "e2bCreateVolume", body: change },
  { ...one("volume"), method: "GET", path: "/volumes/{volume}", operationId: "e2bGetVolume" },
  { ...one("volume"), method: "DELETE", path: "/volumes/{volume}", operationId: "e2bDeleteVolume" },
  { ...list, method: "GET", path: "/secrets", operationId: "e2bListSecrets" },
  { ...absent, method: "POST", path: "/secrets", operationId: "e2bCreateSecret", body: change },
  { ...one("secret"), method: "GET", path: "/secrets/{secret}", operationId: "e2bGetSecret" },
  {
    ...one("secret"),
    method: "POST",
    path: "/secrets/{secret}",
    operationId: "e2bUpdateSecret",
    body: change,
  },
  { ...one("secret"), method: "DELETE", path: "/secrets/{secret}", operationId: "e2bDeleteSecret" },
] as const satisfies readonly Route[];
