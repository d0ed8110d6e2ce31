import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OPERATIONS, type Operation } from "../api/operations.ts";
import { SCHEMAS } from "../api/schemas.ts";
import { type Description, disagreements } from "./agreement.ts";

/** A description that says just what we say, with references as a published one has them. */
function ownDescription(): Description {
  const names = new Map<unknown, string>(Object.entries(SCHEMAS).map(([name, schema]) => [schema, name]));
  const reference = (schema: unknown) => ({ $ref: `#/definitions/${names.get(schema)}` });
  const paths: NonNullable<Description["paths"]> = {};
  for (const { method, path, body, answer } of Object.values(OPERATIONS) as Operation[]) {
    const theirs = path.replace("{id}", "{some_id}");
    paths[theirs] = {
      ...paths[theirs],
      [method.toLowerCase()]: {
        parameters: body ? [{ in: "body", schema: reference(body) }] : [],
        responses: answer ? { 200: { schema: reference(answer) } } : { 204: {} },
      },
    };
  }
  const definitions = JSON.parse(JSON.stringify(SCHEMAS)) as NonNullable<Description["definitions"]>;
  // Published descriptions give enumerations their type.
  const typed = (schema: Record<string, unknown>) => {
    if (schema["enum"]) schema["type"] = "string";
    for (const inner of Object.values(schema))
      if (inner && typeof inner === "object") typed(inner as Record<string, unknown>);
  };
  typed(definitions);
  return { definitions, paths };
}

describe("disagreements()", () => {
  it("finds none in what says the same, or more that we do not use", () => {
    const description = ownDescription();
    assert.deepEqual(disagreements(description), []);
    const { Drive } = description.definitions ?? {};
    Object.assign(Drive?.properties ?? {}, { partuuid: { type: "string" } });
    assert.deepEqual(disagreements(description), []);
  });

  it("finds each difference that matters, and says where", () => {
    const changes: [(description: Required<Description>) => void, RegExp][] = [
      [({ definitions }) => void delete definitions["Vm"], /Vm is not described/],
      [({ definitions }) => definitions["Drive"]?.required?.push("socket"), /Drive requires .*socket/],
      [
        ({ definitions }) => void Object.assign(field(definitions, "Drive", "drive_id"), { type: "integer" }),
        /drive_id/,
      ],
      [
        ({ definitions }) => void Object.assign(field(definitions, "Vm", "state"), { enum: ["Off"] }),
        /one of Off/,
      ],
      [
        ({ definitions }) =>
          void Object.assign(field(definitions, "MachineConfiguration", "vcpu_count"), { maximum: 64 }),
        /vcpu_count has maximum 64/,
      ],
      [
        ({ definitions }) => void delete definitions["BootSource"]?.properties?.["initrd_path"],
        /initrd_path is not/,
      ],
      [({ paths }) => void delete paths["/vm"], /PATCH \/vm is not described/],
      [
        ({ paths }) => void delete paths["/entropy"]?.["put"]?.responses?.["204"],
        /PUT \/entropy does not answer/,
      ],
      [
        ({ paths }) =>
          void Object.assign(paths["/"]?.["get"] ?? {}, { parameters: [{ in: "body", schema: {} }] }),
        /takes something/,
      ],
    ];
    for (const [change, expected] of changes) {
      const description = ownDescription();
      change(description as Required<Description>);
      assert.match(disagreements(description).join("\n"), expected);
    }
  });
});

function field(definitions: NonNullable<Description["definitions"]>, name: string, property: string) {
  const found = definitions[name]?.properties?.[property];
  assert.ok(found);
  return found;
}
