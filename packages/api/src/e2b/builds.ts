// Messages of template builds, as E2B's clients send and read them.
import { BOUNDS } from "@wrenn/core";
import { type Static, Type } from "typebox";
import { TEXT_PATTERN } from "../schemas/fields.ts";
import { TaggedName, Tags } from "./tags.ts";

const Text = (description: string, maxLength: number, example: string) =>
  Type.String({ pattern: TEXT_PATTERN, maxLength, description, examples: [example] });

export const E2bBuildRequest = Type.Object(
  {
    name: Type.Optional(TaggedName("Name of the template, with or without a tag.")),
    tags: Type.Optional(Tags("More tags.")),
    cpuCount: Type.Optional(
      Type.Integer({
        minimum: BOUNDS.vcpus.min,
        maximum: BOUNDS.vcpus.max,
        description: "Processors.",
        examples: [1],
      }),
    ),
    memoryMB: Type.Optional(
      Type.Integer({
        minimum: BOUNDS.memory_mb.min,
        maximum: BOUNDS.memory_mb.max,
        description: "Memory, MiB.",
        examples: [512],
      }),
    ),
  },
  { description: "What is to be built.", examples: [{ name: "my-template" }] },
);
export type E2bBuildRequest = Static<typeof E2bBuildRequest>;

export const E2bBuildSteps = Type.Object(
  {
    fromTemplate: Type.Optional(Text("Template to begin with.", 256, "base")),
    fromImage: Type.Optional(
      Text("Image to begin with, from where the operator lets images come.", 1024, "e2bdev/base"),
    ),
    fromImageRegistry: Type.Optional(
      Type.Unknown({ description: '`{type: "registry", username, password}` for the image; others: 501.' }),
    ),
    force: Type.Optional(
      Type.Boolean({ description: "Carry every step out, cached or not.", examples: [false] }),
    ),
    steps: Type.Optional(
      Type.Array(
        Type.Object(
          {
            type: Text("`RUN`, `COPY`, `ENV`, `WORKDIR` or `USER`.", 16, "RUN"),
            args: Type.Optional(
              Type.Array(Text("Argument.", 131_071, "true"), {
                maxItems: 1024,
                description: "Arguments.",
                examples: [["true"]],
              }),
            ),
            filesHash: Type.Optional(Text("Hash of what is copied.", 128, "0".repeat(64))),
            force: Type.Optional(
              Type.Boolean({
                description: "Carry it and what follows out, cached or not.",
                examples: [false],
              }),
            ),
          },
          { description: "One step." },
        ),
        { maxItems: 1024, description: "Steps, in order.", examples: [[]] },
      ),
    ),
    startCmd: Type.Optional(
      Text("Runs when the template is saved, and so in each of its sandboxes.", 131_071, "sleep 1"),
    ),
    readyCmd: Type.Optional(Text("Succeeds once that is ready.", 131_071, "true")),
  },
  { description: "How it is built.", examples: [{ fromTemplate: "base", steps: [] }] },
);
export type E2bBuildSteps = Static<typeof E2bBuildSteps>;

const Param = (description: string, example: string) =>
  Type.String({ maxLength: 256, description, examples: [example] });

export const E2bFilesParams = Type.Object(
  { template: Param("Template.", "my-template"), hash: Param("Hash of the files.", "0".repeat(64)) },
  { additionalProperties: false, examples: [{ template: "my-template", hash: "0".repeat(64) }] },
);

export const E2bUploadParams = Type.Object(
  { ticket: Param("From the answer to the question for the files.", "0".repeat(64)) },
  { additionalProperties: false, examples: [{ ticket: "0".repeat(64) }] },
);

export const E2bBuildParams = Type.Object(
  {
    template: Param("Template.", "my-template"),
    build: Param("Build.", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
  },
  {
    additionalProperties: false,
    examples: [{ template: "my-template", build: "1b4e28ba-2fa1-11d2-883f-0016d3cca427" }],
  },
);

export const E2bStatusQuery = Type.Object(
  {
    logsOffset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 31,
        description: "Entries of the log that are known.",
        examples: [0],
      }),
    ),
  },
  { examples: [{}] },
);
export type E2bStatusQuery = Static<typeof E2bStatusQuery>;

export const E2bBuild = Type.Object(
  {
    templateID: Type.String({ description: "The template's name." }),
    buildID: Type.String({ description: "The build." }),
    public: Type.Boolean({ description: "Whether every owner will see it." }),
    names: Type.Array(Type.String(), { description: "Its names." }),
    tags: Type.Array(Type.String(), { description: "Its tags." }),
    aliases: Type.Array(Type.String(), { description: "Its names, as older clients call them." }),
  },
  { additionalProperties: false, description: "A build that has been asked for." },
);
export type E2bBuild = Static<typeof E2bBuild>;

export const E2bFiles = Type.Object(
  {
    present: Type.Boolean({ description: "Whether they are here already." }),
    url: Type.Optional(Type.String({ description: "Where to PUT them as a tar archive, packed or not." })),
  },
  { additionalProperties: false, description: "Files for a COPY step." },
);

const LogEntry = Type.Object(
  {
    timestamp: Type.String({ format: "date-time", description: "When." }),
    level: Type.String({ description: "`debug`, `info`, `warn` or `error`." }),
    message: Type.String({ description: "What." }),
    step: Type.Optional(Type.String({ description: "Number of the step, or `base`, or `finalize`." })),
  },
  { additionalProperties: false, description: "An entry of a build's log." },
);

export const E2bBuildStatus = Type.Object(
  {
    templateID: Type.String({ description: "The template's name." }),
    buildID: Type.String({ description: "The build." }),
    status: Type.Enum(["waiting", "building", "ready", "error"], {
      type: "string",
      description: "Where it is.",
    }),
    logs: Type.Array(Type.String(), { description: "The entries' messages." }),
    logEntries: Type.Array(LogEntry, { description: "At most 100 entries from the offset on." }),
    reason: Type.Optional(
      Type.Object(
        {
          message: Type.String({ description: "What went wrong." }),
          step: Type.Optional(Type.String({ description: "In which step." })),
        },
        { additionalProperties: false, description: "Why it failed." },
      ),
    ),
  },
  { additionalProperties: false, description: "A build and a piece of its log." },
);
export type E2bBuildStatus = Static<typeof E2bBuildStatus>;
