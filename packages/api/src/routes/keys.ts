// Routes: API keys.
import type { Route } from "../route.ts";
import { ApiKey, CreateApiKeyRequest, ListApiKeysQuery, NewApiKey } from "../schemas/key.ts";
import { ApiKeyParams } from "../schemas/params.ts";
import { KEYED, WITH_BODY } from "./errors.ts";
import { json, jsonBody, jsonPage, noContent } from "./json.ts";

export const KEY_ROUTES = [
  {
    method: "GET",
    path: "/v1/keys",
    operationId: "listKeys",
    summary: "List your keys, newest first",
    tag: "keys",
    auth: "key",
    query: ListApiKeysQuery,
    success: jsonPage("Your keys, without their secrets.", ApiKey),
    errors: KEYED,
  },
  {
    method: "POST",
    path: "/v1/keys",
    operationId: "createKey",
    summary: "Make a key",
    description: "The secret is in this answer and nowhere else; so a repetition makes another key.",
    tag: "keys",
    auth: "key",
    body: jsonBody(CreateApiKeyRequest),
    success: json(201, "The key with its secret.", NewApiKey),
    errors: [...WITH_BODY, "forbidden"],
  },
  {
    method: "DELETE",
    path: "/v1/keys/{id}",
    operationId: "revokeKey",
    summary: "Revoke a key",
    description: "It stops working at once and stays in the list. May be repeated.",
    tag: "keys",
    auth: "key",
    params: ApiKeyParams,
    success: noContent("The key no longer works."),
    errors: [...KEYED, "not_found"],
  },
] as const satisfies readonly Route[];
