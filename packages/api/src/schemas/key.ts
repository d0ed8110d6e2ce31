// API keys: their metadata, and the secret that is shown once.
import { type Static, Type } from "typebox";
import { Limit, Name, NextToken, Timestamp } from "./fields.ts";

const LABEL_PATTERN = "^[^\\p{C}]+$";

const label = (description: string) =>
  Type.String({ minLength: 1, maxLength: 64, pattern: LABEL_PATTERN, description, examples: ["ci"] });

const metadata = {
  id: Name("Id of the key; not the secret.", "key-7f3a9c21"),
  name: label("What it is for."),
  prefix: Type.String({ description: "The first characters of the secret.", examples: ["wrn_1a2b3c4d"] }),
  created_at: Timestamp("When it was made."),
  last_used_at: Type.Optional(Timestamp("When it was last used.")),
  revoked_at: Type.Optional(Timestamp("When it was revoked.")),
};

const example = {
  id: "key-7f3a9c21",
  name: "ci",
  prefix: "wrn_1a2b3c4d",
  created_at: "2026-11-23T20:00:00.000Z",
};

export const ApiKey = Type.Object(metadata, {
  $id: "ApiKey",
  additionalProperties: false,
  description: "What is known about a key. The secret is not: only its hash is stored.",
  examples: [example],
});
export type ApiKey = Static<typeof ApiKey>;

export const CreateApiKeyRequest = Type.Object(
  {
    name: label("What it is for."),
    owner: Type.Optional(
      Name("Whose key it will be. Another owner than yourself is the operator's to name.", "team-a"),
    ),
  },
  {
    $id: "CreateApiKeyRequest",
    additionalProperties: false,
    description: "The key to make.",
    examples: [{ name: "ci" }],
  },
);
export type CreateApiKeyRequest = Static<typeof CreateApiKeyRequest>;

export const NewApiKey = Type.Object(
  {
    ...metadata,
    key: Type.String({
      pattern: "^wrn_[0-9a-f]{64}$",
      description: "The secret, for the header `X-API-Key`. Shown this once.",
    }),
  },
  {
    $id: "NewApiKey",
    additionalProperties: false,
    description: "A new key with its secret.",
    examples: [{ ...example, key: `wrn_${"1a2b3c4d".repeat(8)}` }],
  },
);
export type NewApiKey = Static<typeof NewApiKey>;

export const ListApiKeysQuery = Type.Object(
  { limit: Type.Optional(Limit()), next_token: Type.Optional(NextToken()) },
  { additionalProperties: false, examples: [{}] },
);
export type ListApiKeysQuery = Static<typeof ListApiKeysQuery>;
