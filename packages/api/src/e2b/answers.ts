// What E2B's clients read.
import { type Static, Type } from "typebox";
import { Timestamp } from "../schemas/fields.ts";

const Text = (description: string, example = "base") => Type.String({ description, examples: [example] });
const Count = (description: string) => Type.Integer({ minimum: 0, description, examples: [1] });

const Identity = {
  templateID: Text("What it was made from.", "minimal"),
  sandboxID: Text("Its id, the same as in the v1 API.", "sb-k3v9q0x7m2p5a8zt"),
  clientID: Text("Always the same.", "wrenn"),
  envdVersion: Text("Version of its agent's protocol.", "0.5.2"),
};

export const E2bSandbox = Type.Object(
  {
    ...Identity,
    envdAccessToken: Text("What its agent wants to be shown.", "0".repeat(64)),
    trafficAccessToken: Type.Optional(Text("What its other ports want to be shown.", "0".repeat(64))),
    domain: Type.Union([Type.String(), Type.Null()], {
      description: "Its ports' host names are below this domain; null: below the one that the client knows.",
      examples: ["sandbox.example:4443"],
    }),
  },
  { additionalProperties: false, description: "A sandbox that runs, and how to get into it." },
);
export type E2bSandbox = Static<typeof E2bSandbox>;

const Listed = {
  ...Identity,
  startedAt: Timestamp("When it was started."),
  endAt: Timestamp("When it will end, or would if it ran."),
  cpuCount: Count("Processors."),
  memoryMB: Count("Memory, MiB."),
  diskSizeMB: Count("Disk, MiB."),
  metadata: Type.Record(Type.String(), Type.String(), { description: "Its labels." }),
  state: Type.Enum(["running", "paused"], {
    type: "string",
    description: "What it does.",
    examples: ["running"],
  }),
};

export const E2bListedSandbox = Type.Object(Listed, {
  additionalProperties: false,
  description: "A sandbox in a list.",
});
export type E2bListedSandbox = Static<typeof E2bListedSandbox>;

export const E2bSandboxDetail = Type.Object(
  {
    ...Listed,
    envdAccessToken: Type.Optional(Text("What its agent wants to be shown.", "0".repeat(64))),
    domain: Type.Union([Type.String(), Type.Null()], { description: "As in the answer to a creation." }),
    allowInternetAccess: Type.Optional(
      Type.Boolean({ description: "Whether its programs reach other machines." }),
    ),
    network: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "Rules for its traffic." }),
    ),
    lifecycle: Type.Object(
      {
        autoResume: Type.Boolean({ description: "Whether traffic resumes it." }),
        onTimeout: Type.Enum(["kill", "pause"], { type: "string", description: "What its end is." }),
      },
      { additionalProperties: false, description: "What happens to it by itself." },
    ),
  },
  { additionalProperties: false, description: "All there is to say about a sandbox." },
);
export type E2bSandboxDetail = Static<typeof E2bSandboxDetail>;

export const E2bForks = Type.Array(
  Type.Object({ sandbox: E2bSandbox }, { additionalProperties: false, description: "A copy." }),
  { description: "The copies. All come to be, or none." },
);

export const E2bSnapshot = Type.Object(
  {
    snapshotID: Text("What to create sandboxes from.", "template-1a2b3c4d"),
    names: Type.Array(Type.String(), { description: "The same." }),
  },
  { additionalProperties: false, description: "A snapshot." },
);
export type E2bSnapshot = Static<typeof E2bSnapshot>;

export const E2bMetric = Type.Object(
  {
    timestamp: Timestamp("When it was measured."),
    timestampUnix: Count("The same in seconds."),
    cpuCount: Count("Processors."),
    cpuUsedPct: Type.Number({ minimum: 0, description: "Percent of all processors." }),
    memUsed: Count("Bytes."),
    memTotal: Count("Bytes."),
    memCache: Count("Bytes."),
    diskUsed: Count("Bytes."),
    diskTotal: Count("Bytes."),
  },
  { additionalProperties: false, description: "What a guest uses." },
);
export type E2bMetric = Static<typeof E2bMetric>;

export const E2bTemplate = Type.Object(
  {
    templateID: Text("Its name.", "minimal"),
    buildID: Text("Its content.", "minimal"),
    cpuCount: Count("Processors."),
    memoryMB: Count("Memory, MiB."),
    diskSizeMB: Count("Disk, MiB."),
    public: Type.Boolean({ description: "Whether every owner sees it." }),
    aliases: Type.Array(Type.String(), { description: "Other names." }),
    names: Type.Array(Type.String(), { description: "All its names." }),
    createdAt: Timestamp("When it was built."),
    updatedAt: Timestamp("When it was last changed."),
    buildStatus: Type.Enum(["building", "ready", "error"], {
      type: "string",
      description: "Whether it is ready.",
    }),
  },
  { additionalProperties: false, description: "What sandboxes are made from." },
);
export type E2bTemplate = Static<typeof E2bTemplate>;

export const E2bAlias = Type.Object(
  {
    templateID: Text("The template's name.", "minimal"),
    public: Type.Boolean({ description: "Whether every owner sees it." }),
  },
  { additionalProperties: false, description: "What an alias stands for." },
);
