// Tags of templates, as E2B's clients send and read them.
import { type Static, Type } from "typebox";
import { Timestamp } from "../schemas/fields.ts";

const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";

/** `name` or `name:tag`. */
export const TaggedName = (description: string) =>
  Type.String({
    pattern: `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?::${TAG})?$`,
    description,
    examples: ["my-template:v1"],
  });

export const Tags = (description: string) =>
  Type.Array(Type.String({ pattern: `^${TAG}$` }), { maxItems: 16, description, examples: [["v1"]] });

export const E2bAssignTagsRequest = Type.Object(
  { target: TaggedName("What the tags are to stand for."), tags: Tags("The tags.") },
  { description: "Tags for a template.", examples: [{ target: "my-template:v1", tags: ["stable"] }] },
);
export type E2bAssignTagsRequest = Static<typeof E2bAssignTagsRequest>;

export const E2bRemoveTagsRequest = Type.Object(
  { name: TaggedName("Name of the template."), tags: Tags("The tags; any but `default`.") },
  { description: "Tags that are to go.", examples: [{ name: "my-template", tags: ["stable"] }] },
);
export type E2bRemoveTagsRequest = Static<typeof E2bRemoveTagsRequest>;

export const E2bAssignedTags = Type.Object(
  {
    buildID: Type.String({ description: "The content that they stand for now." }),
    tags: Type.Array(Type.String(), { description: "The tags." }),
  },
  { additionalProperties: false, description: "Tags that have been assigned." },
);

export const E2bTag = Type.Object(
  {
    tag: Type.String({ description: "The tag; `default` for the name itself." }),
    buildID: Type.String({ description: "The content that it stands for." }),
    createdAt: Timestamp("Since when."),
  },
  { additionalProperties: false, description: "A tag of a template." },
);
export type E2bTag = Static<typeof E2bTag>;
