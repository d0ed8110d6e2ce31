// What stands in the paths.
import { type Static, Type } from "typebox";
import { Name, SandboxId } from "./fields.ts";

export const SandboxParams = Type.Object(
  { id: SandboxId() },
  { additionalProperties: false, examples: [{ id: "sb-k3v9q0x7m2p5a8zt" }] },
);
export type SandboxParams = Static<typeof SandboxParams>;

export const SandboxPortParams = Type.Object(
  {
    id: SandboxId(),
    port: Type.String({
      pattern: "^[1-9][0-9]{0,4}$",
      description: "TCP port inside the sandbox, 1 to 65535.",
      examples: ["3000"],
    }),
  },
  { additionalProperties: false, examples: [{ id: "sb-k3v9q0x7m2p5a8zt", port: "3000" }] },
);
export type SandboxPortParams = Static<typeof SandboxPortParams>;

export const TemplateParams = Type.Object(
  { name: Name("Name of the template or snapshot.") },
  { additionalProperties: false, examples: [{ name: "minimal" }] },
);
export type TemplateParams = Static<typeof TemplateParams>;

export const ApiKeyParams = Type.Object(
  { id: Name("Id of the key.", "key-7f3a9c21") },
  { additionalProperties: false, examples: [{ id: "key-7f3a9c21" }] },
);
export type ApiKeyParams = Static<typeof ApiKeyParams>;
