// Templates, their builds, and snapshots (which are templates with memory).
import { type Static, Type } from "typebox";
import { Limit, MemoryMb, Name, NextToken, SandboxId, Timestamp, Vcpus } from "./fields.ts";

/** Bound of an uploaded recipe, in characters. */
const RECIPE_CHARS = 64 * 1024;

/** Bound of the log lines in one answer. */
export const BUILD_LOG_LINES = 1000;

const TemplateType = (description: string) =>
  Type.Enum(["base", "snapshot"], { type: "string", description, examples: ["base"] });

export const Template = Type.Object(
  {
    name: Name("Its name."),
    type: TemplateType("`base`: a built root file system. `snapshot`: a sandbox's disk and memory."),
    vcpus: Vcpus("Virtual CPUs; fixed for a snapshot, the default for a base template."),
    memory_mb: MemoryMb("Memory in MiB; fixed for a snapshot, the default for a base template."),
    size_bytes: Type.Integer({ minimum: 0, description: "Bytes it takes on disk (blocks, not length)." }),
    created_at: Timestamp("When it was made."),
  },
  {
    $id: "Template",
    additionalProperties: false,
    description: "What a sandbox can be made from.",
    examples: [
      {
        name: "minimal",
        type: "base",
        vcpus: 1,
        memory_mb: 512,
        size_bytes: 412_090_368,
        created_at: "2026-11-23T20:10:00.000Z",
      },
    ],
  },
);
export type Template = Static<typeof Template>;

export const BuildTemplateRequest = Type.Object(
  {
    name: Name("Name of the new template."),
    recipe: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: RECIPE_CHARS,
        pattern: "^[^\\u0000\\ud800-\\udfff]*$",
        description: "The recipe as YAML. Default: the built-in recipe called `name`.",
      }),
    ),
  },
  {
    $id: "BuildTemplateRequest",
    additionalProperties: false,
    description: "What to build.",
    examples: [{ name: "minimal" }],
  },
);
export type BuildTemplateRequest = Static<typeof BuildTemplateRequest>;

const BuildStep = Type.Object(
  {
    name: Type.String({ description: "What the step does.", examples: ["install packages"] }),
    status: Type.Enum(["pending", "running", "done", "error"], {
      type: "string",
      description: "How far the step is.",
    }),
    duration_ms: Type.Optional(Type.Number({ minimum: 0, description: "How long it took, in ms." })),
  },
  { additionalProperties: false, description: "One step of a build." },
);

const build = {
  name: Name("Template that is being built."),
  status: Type.Enum(["building", "ready", "error"], { type: "string", description: "How far the build is." }),
  steps: Type.Array(BuildStep, { description: "The steps in order." }),
  error: Type.Optional(Type.String({ description: "Why the status is `error`." })),
  started_at: Timestamp("When the build began."),
  finished_at: Type.Optional(Timestamp("When it ended.")),
};

const buildExample = {
  name: "minimal",
  status: "building",
  steps: [
    { name: "install packages", status: "done", duration_ms: 61_250 },
    { name: "make the file system", status: "running" },
  ],
  started_at: "2026-11-23T20:09:00.000Z",
};

export const TemplateBuild = Type.Object(build, {
  $id: "TemplateBuild",
  additionalProperties: false,
  description: "The state of a build.",
  examples: [buildExample],
});
export type TemplateBuild = Static<typeof TemplateBuild>;

export const TemplateBuildLog = Type.Object(
  {
    ...build,
    log: Type.Array(Type.String(), { maxItems: BUILD_LOG_LINES, description: "Lines from `offset` on." }),
    next_offset: Type.Integer({ minimum: 0, description: "The `offset` that continues behind `log`." }),
  },
  {
    $id: "TemplateBuildLog",
    additionalProperties: false,
    description: "The state of a build and a piece of its log.",
    examples: [{ ...buildExample, log: ["Unpacking python3 ..."], next_offset: 1 }],
  },
);
export type TemplateBuildLog = Static<typeof TemplateBuildLog>;

export const BuildLogQuery = Type.Object(
  {
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000_000,
        default: 0,
        description: "First log line wanted.",
        examples: [0],
      }),
    ),
  },
  { additionalProperties: false, examples: [{}, { offset: 120 }] },
);
export type BuildLogQuery = Static<typeof BuildLogQuery>;

export const CreateSnapshotRequest = Type.Object(
  {
    sandbox_id: SandboxId("The sandbox to take it from: running or paused."),
    name: Type.Optional(Name('Its name. Default: "template-" and 8 hex digits.', "template-1a2b3c4d")),
    leave: Type.Optional(
      Type.Enum(["running", "paused"], {
        type: "string",
        description: "What a running sandbox does afterwards. A paused one stays paused.",
        examples: ["running"],
      }),
    ),
  },
  {
    $id: "CreateSnapshotRequest",
    additionalProperties: false,
    description: "What to take a snapshot of.",
    examples: [{ sandbox_id: "sb-k3v9q0x7m2p5a8zt", name: "warm" }],
  },
);
export type CreateSnapshotRequest = Static<typeof CreateSnapshotRequest>;

export const CreateSnapshotQuery = Type.Object(
  {
    overwrite: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Replace a snapshot of the same name. Sandboxes made from the old one keep it.",
        examples: [true],
      }),
    ),
  },
  { additionalProperties: false, examples: [{}, { overwrite: true }] },
);
export type CreateSnapshotQuery = Static<typeof CreateSnapshotQuery>;

export const ListSnapshotsQuery = Type.Object(
  {
    type: Type.Optional(TemplateType("Only this type.")),
    limit: Type.Optional(Limit()),
    next_token: Type.Optional(NextToken()),
  },
  { additionalProperties: false, examples: [{}, { type: "base" }] },
);
export type ListSnapshotsQuery = Static<typeof ListSnapshotsQuery>;
