// Whether the service can do its work.
import { type Static, Type } from "typebox";

export const Health = Type.Object(
  {
    status: Type.Literal("ok", { description: "Always `ok`: otherwise the answer is an error with 503." }),
    version: Type.String({ description: "Version of the control plane.", examples: ["0.1.0"] }),
    hosts: Type.Integer({ minimum: 0, description: "Hosts that answer." }),
  },
  {
    $id: "Health",
    additionalProperties: false,
    description: "The database and at least one host answer.",
    examples: [{ status: "ok", version: "0.1.0", hosts: 1 }],
  },
);
export type Health = Static<typeof Health>;
