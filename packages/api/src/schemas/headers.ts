// Request and response headers that mean something to the API.
import { type Static, Type } from "typebox";

/** Header of the API key. */
export const KEY_HEADER = "x-api-key";
/** Header of the request id: taken over from the caller, answered, and passed on to host and guest. */
export const REQUEST_ID_HEADER = "x-request-id";
/** Header of the cursor to the next page. */
export const NEXT_TOKEN_HEADER = "x-next-token";

export const IdempotencyHeaders = Type.Object(
  {
    "idempotency-key": Type.Optional(
      Type.String({
        pattern: "^[!-~]{1,255}$",
        description:
          "Makes a repetition safe: the same key and body within 24 hours gives the same answer, and does nothing anew.",
        examples: ["order-8812-create"],
      }),
    ),
  },
  { examples: [{ "idempotency-key": "order-8812-create" }] },
);
export type IdempotencyHeaders = Static<typeof IdempotencyHeaders>;

export const NextTokenHeader = Type.String({
  description: "Cursor of the next page; absent on the last one, and without `limit`.",
});
export const RetryAfterHeader = Type.Integer({
  minimum: 0,
  description: "Seconds after which trying again makes sense.",
});
