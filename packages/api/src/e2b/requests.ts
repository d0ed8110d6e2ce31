// What E2B's clients send. Other versions send more: unknown fields are accepted and left.
import { BOUNDS, LIMITS } from "@wrenn/core";
import { type Static, Type } from "typebox";
import { Envs, Metadata, SandboxId, TEXT_PATTERN } from "../schemas/fields.ts";

const Flag = (description: string) => Type.Optional(Type.Boolean({ description, examples: [false] }));
const Text = (description: string, maxLength: number = LIMITS.pathBytes) =>
  Type.String({ pattern: TEXT_PATTERN, maxLength, description, examples: ["base"] });
/** For a part of the protocol that this platform answers with 501. */
const Unsupported = (description: string) =>
  Type.Optional(Type.Unknown({ description: `${description}: 501.` }));

export const TemplateRef = () => Text("Template, snapshot or alias: `base`, `code-interpreter-v1`.", 256);

/** Outside these bounds it is a 400 with E2B's words, so the schema has none. */
const Timeout = () =>
  Type.Optional(
    Type.Integer({
      minimum: -(2 ** 31),
      maximum: 2 ** 31,
      description: `Seconds until its end, 1 to ${BOUNDS.timeout_sec.max}; activity does not move it.`,
      examples: [300],
    }),
  );

const Addresses = (description: string) =>
  Type.Optional(
    Type.Array(Text("Address, CIDR block or domain.", 256), {
      maxItems: 256,
      description,
      examples: [["0.0.0.0/0"]],
    }),
  );

const NetworkRules = {
  allowOut: Addresses("Where its traffic may go although `denyOut` forbids it. Domains: 501."),
  denyOut: Addresses("Where its traffic may not go."),
  rules: Unsupported("Changing requests on their way"),
  egressProxy: Unsupported("A proxy for its traffic"),
};

export const E2bSandboxParams = Type.Object(
  { id: SandboxId() },
  { additionalProperties: false, examples: [{ id: "sb-k3v9q0x7m2p5a8zt" }] },
);

export const E2bCreateRequest = Type.Object(
  {
    templateID: Type.Optional(TemplateRef()),
    timeout: Timeout(),
    autoPause: Flag("Whether its end is a pause instead of its destruction."),
    autoPauseMemory: Flag("Whether that pause keeps memory; false: 501."),
    autoResume: Type.Optional(
      Type.Object(
        { enabled: Flag("Whether traffic to it, paused, resumes it.") },
        { description: "What traffic does to it while it is paused.", examples: [{ enabled: true }] },
      ),
    ),
    secure: Flag("Accepted and always true."),
    allow_internet_access: Flag("Whether its programs reach other machines."),
    network: Type.Optional(
      Type.Object(
        {
          ...NetworkRules,
          allowPublicTraffic: Flag(
            "Whether its ports are open to whoever knows its name; else with a token.",
          ),
          maskRequestHost: Type.Optional(
            // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how clients write it.
            Text("What its programs see as `Host`; `${PORT}` is their port.", 256),
          ),
        },
        { description: "Its traffic.", examples: [{ allowPublicTraffic: false }] },
      ),
    ),
    metadata: Type.Optional(Metadata("Labels.")),
    envVars: Type.Optional(Envs("Environment of its programs.")),
    mcp: Unsupported("MCP gateway"),
    iam: Unsupported("Workload identity"),
    volumeMounts: Type.Optional(
      Type.Array(Type.Unknown(), { maxItems: 64, description: "Volumes; any: 501.", examples: [[]] }),
    ),
  },
  { description: "What to make.", examples: [{ templateID: "base", timeout: 300 }] },
);
export type E2bCreateRequest = Static<typeof E2bCreateRequest>;

export const E2bConnectRequest = Type.Object(
  { timeout: Timeout(), memory: Flag("False: boot from the saved disk instead of continuing.") },
  { description: "How long it is to live at least.", examples: [{ timeout: 300 }] },
);
export type E2bConnectRequest = Static<typeof E2bConnectRequest>;

export const E2bTimeoutRequest = Type.Object(
  { timeout: Timeout() },
  { description: "When it is to end.", examples: [{ timeout: 60 }] },
);
export type E2bTimeoutRequest = Static<typeof E2bTimeoutRequest>;

export const E2bRefreshRequest = Type.Object(
  { duration: Timeout() },
  { description: "How long it is to live at least.", examples: [{ duration: 60 }] },
);
export type E2bRefreshRequest = Static<typeof E2bRefreshRequest>;

export const E2bPauseRequest = Type.Object(
  { memory: Flag("Whether memory is kept; false: 501.") },
  { description: "What is kept.", examples: [{}] },
);
export type E2bPauseRequest = Static<typeof E2bPauseRequest>;

export const E2bForkRequest = Type.Object(
  {
    timeout: Timeout(),
    count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: BOUNDS.fork_count.max,
        description: "How many copies.",
        examples: [1],
      }),
    ),
  },
  { description: "How many copies, and how long they live.", examples: [{}] },
);
export type E2bForkRequest = Static<typeof E2bForkRequest>;

export const E2bSnapshotRequest = Type.Object(
  { name: Type.Optional(Text("Name of the snapshot.", 64)) },
  { description: "What to call it.", examples: [{}] },
);
export type E2bSnapshotRequest = Static<typeof E2bSnapshotRequest>;

export const E2bNetworkRequest = Type.Object(
  { ...NetworkRules, allow_internet_access: Flag("Whether its programs reach other machines.") },
  { description: "Replaces the rules for its traffic as a whole.", examples: [{ denyOut: ["0.0.0.0/0"] }] },
);
export type E2bNetworkRequest = Static<typeof E2bNetworkRequest>;

const PageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: LIMITS.listLimit, description: "Page size.", examples: [100] }),
  ),
  nextToken: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9_-]{0,512}$",
      description: "The `X-Next-Token` of the page before.",
      examples: ["c2ItazN2OXEweDdtMnA1YTh6dA"],
    }),
  ),
};

export const E2bListQuery = Type.Object(
  {
    ...PageQuery,
    metadata: Type.Optional(
      Type.String({
        maxLength: 8_192,
        description:
          "`key=value` pairs joined by `&`, with each part percent-encoded, and the whole once more.",
        examples: ["owner%3Dbuild-42"],
      }),
    ),
    state: Type.Optional(
      Type.String({
        pattern: "^(?:(?:running|paused)(?:,|$))+$",
        maxLength: 64,
        description: "`running`, `paused` or both, by comma.",
        examples: ["running,paused"],
      }),
    ),
    template: Type.Optional(TemplateRef()),
    startedAfter: Type.Optional(
      Type.String({ maxLength: 64, description: "RFC 3339.", examples: ["2026-11-23T20:15:30.125Z"] }),
    ),
    order: Type.Optional(
      Type.Enum(["asc", "desc"], { type: "string", description: "By start.", examples: ["desc"] }),
    ),
  },
  { examples: [{ state: "running" }] },
);
export type E2bListQuery = Static<typeof E2bListQuery>;

export const E2bSnapshotsQuery = Type.Object(
  {
    ...PageQuery,
    sandboxID: Type.Optional(
      Type.String({
        maxLength: 64,
        description: "Only snapshots of this sandbox.",
        examples: ["sb-k3v9q0x7m2p5a8zt"],
      }),
    ),
    name: Type.Optional(Text("Only the snapshot of this name.", 64)),
  },
  { examples: [{ limit: 20 }] },
);
export type E2bSnapshotsQuery = Static<typeof E2bSnapshotsQuery>;

export const E2bMetricsQuery = Type.Object(
  {
    start: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 2 ** 40, description: "Unix seconds.", examples: [1_700_000_000] }),
    ),
    end: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 2 ** 40, description: "Unix seconds.", examples: [1_900_000_000] }),
    ),
  },
  { examples: [{}] },
);
export type E2bMetricsQuery = Static<typeof E2bMetricsQuery>;

export const E2bTemplateParams = Type.Object(
  { template: TemplateRef() },
  { additionalProperties: false, examples: [{ template: "base" }] },
);
