// The one shape of every failure of the E2B surface.
import { type Static, Type } from "typebox";

export const E2bError = Type.Object(
  {
    code: Type.Integer({ description: "The HTTP status again: clients branch on it." }),
    message: Type.String({ description: "What went wrong, for people." }),
    error_code: Type.Optional(Type.String({ description: "The platform's own code, as in the v1 API." })),
  },
  {
    $id: "Error",
    additionalProperties: false,
    description: "Every failure has this shape, whatever its status.",
    examples: [{ code: 404, message: "you have no sandbox sb-k3v9q0x7m2p5a8zt", error_code: "not_found" }],
  },
);
export type E2bError = Static<typeof E2bError>;
