// What stands in the paths.
import { type Static, Type } from "typebox";
import { Name, SandboxId } from "./fields.ts";

export const SandboxParams = Type.Object(
  { id: SandboxId() },
  { additionalProperties: false, examples: [{ id: "sb-k3v9q0x7m2p5a8zt" }] },
);
export type SandboxParams = Static<typeof SandboxParams>;

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
