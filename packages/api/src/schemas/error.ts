// The one shape of every failure.
import { ERROR_CODES, type ErrorCode } from "@wrenn/core";
import { type Static, Type } from "typebox";

export const ErrorBody = Type.Object(
  {
    error: Type.Object(
      {
        code: Type.Enum(Object.keys(ERROR_CODES) as ErrorCode[], {
          type: "string",
          description: "What went wrong, for programs. Each code has one HTTP status.",
        }),
        message: Type.String({ description: "What was attempted, on what, and what to do; for people." }),
        field: Type.Optional(
          Type.String({ description: "The request field that is wrong, as the caller spelled it." }),
        ),
      },
      { additionalProperties: false, description: "The failure." },
    ),
  },
  {
    $id: "Error",
    additionalProperties: false,
    description: "Every failure has this shape, whatever its status.",
    examples: [{ error: { code: "invalid_argument", message: "vcpus must be <= 8", field: "vcpus" } }],
  },
);
export type ErrorBody = Static<typeof ErrorBody>;
