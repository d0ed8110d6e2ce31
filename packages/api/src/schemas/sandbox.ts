// The sandbox: its representation and the requests that make and move it.
import { BOUNDS, SANDBOX_STATUSES } from "@wrenn/core";
import { type Static, Type } from "typebox";
import {
  DiskMb,
  Envs,
  Limit,
  MemoryMb,
  Metadata,
  Name,
  NextToken,
  SandboxId,
  TimeoutSec,
  Timestamp,
  Vcpus,
} from "./fields.ts";

const Status = (description: string) =>
  Type.Enum([...SANDBOX_STATUSES], { type: "string", description, examples: ["running"] });

const Isolation = (description: string) =>
  Type.Enum(["kvm", "tcg"], { type: "string", description, examples: ["kvm"] });

const OnTimeout = (description: string) =>
  Type.Enum(["pause", "destroy"], { type: "string", description, examples: ["destroy"] });

export const Sandbox = Type.Object(
  {
    id: SandboxId(),
    status: Status("Where the sandbox is in its life cycle."),
    template: Name("Template or snapshot it was made from."),
    vcpus: Vcpus("Virtual CPUs."),
    memory_mb: MemoryMb("Memory in MiB."),
    disk_mb: DiskMb("Size of its disk in MiB. Sparse: only what is written takes room."),
    timeout_sec: TimeoutSec("Time-out in seconds; 0 = none."),
    on_timeout: OnTimeout("What the time-out does."),
    ttl_mode: Type.Enum(["inactivity", "deadline"], {
      type: "string",
      description:
        "`inactivity`: the clock restarts with every exec, stream, transfer and ping. `deadline`: it does not.",
      examples: ["inactivity"],
    }),
    expires_at: Type.Optional(Timestamp("When the time-out strikes unless something restarts the clock.")),
    guest_ip: Type.Optional(
      Type.String({ format: "ipv4", description: "Address inside the guest.", examples: ["169.254.0.21"] }),
    ),
    host_ip: Type.Optional(
      Type.String({
        format: "ipv4",
        description: "Address on the host. Changes with a resume.",
        examples: ["10.11.0.1"],
      }),
    ),
    host_id: Type.String({ description: "The machine that holds it.", examples: ["local"] }),
    isolation: Isolation("What separates it from the host: hardware virtualisation, or emulation."),
    metadata: Metadata("The caller's own labels."),
    error: Type.Optional(
      Type.String({
        description:
          "Why the status is `error`, or `stopped` without being asked for; of a sandbox that goes on: since when its disk fails, until it is resumed or restored.",
        examples: [
          "2026-11-23T20:15:40.000Z: the host's disk is full: writes of the guest fail, and its file systems may have become read-only",
        ],
      }),
    ),
    created_at: Timestamp("When it was asked for."),
    started_at: Type.Optional(Timestamp("When the guest first answered.")),
    last_active_at: Type.Optional(Timestamp("The last exec, stream, transfer or ping.")),
    last_updated: Timestamp("The last change of this record."),
    deleted_at: Type.Optional(
      Timestamp(
        "When it was deleted, or given up because its start failed; its status is `stopped`. Absent from one that ended otherwise: its host may have its disk for 24 hours, to resume it from.",
      ),
    ),
  },
  {
    $id: "Sandbox",
    additionalProperties: false,
    description: "An isolated virtual machine.",
    examples: [
      {
        id: "sb-k3v9q0x7m2p5a8zt",
        status: "running",
        template: "minimal",
        vcpus: 1,
        memory_mb: 512,
        disk_mb: 10240,
        timeout_sec: 300,
        on_timeout: "destroy",
        ttl_mode: "inactivity",
        expires_at: "2026-11-23T20:20:30.125Z",
        guest_ip: "169.254.0.21",
        host_ip: "10.11.0.1",
        host_id: "local",
        isolation: "tcg",
        metadata: { owner: "build-42" },
        created_at: "2026-11-23T20:15:27.002Z",
        started_at: "2026-11-23T20:15:30.125Z",
        last_active_at: "2026-11-23T20:15:30.125Z",
        last_updated: "2026-11-23T20:15:30.125Z",
      },
    ],
  },
);
export type Sandbox = Static<typeof Sandbox>;

export const SandboxPort = Type.Object(
  {
    url: Type.String({
      description: "Where HTTP and WebSocket requests reach the port.",
      examples: ["http://3000-sb-k3v9q0x7m2p5a8zt.localhost:8000/"],
    }),
    token: Type.Optional(
      Type.String({
        description: "What requests have to send as `e2b-traffic-access-token`.",
        examples: ["0".repeat(64)],
      }),
    ),
  },
  {
    $id: "SandboxPort",
    additionalProperties: false,
    description: "A port of a sandbox as it is reached from outside.",
    examples: [{ url: "http://3000-sb-k3v9q0x7m2p5a8zt.localhost:8000/" }],
  },
);
export type SandboxPort = Static<typeof SandboxPort>;

export const CreateSandboxRequest = Type.Object(
  {
    template: Type.Optional(
      Type.String({ ...Name("Template or snapshot to start from."), default: "minimal" }),
    ),
    vcpus: Type.Optional(
      Type.Integer({
        ...Vcpus("Virtual CPUs. A snapshot fixes them: another value is an error."),
        default: BOUNDS.vcpus.default,
      }),
    ),
    memory_mb: Type.Optional(
      Type.Integer({
        ...MemoryMb("Memory in MiB. A snapshot fixes it: another value is an error."),
        default: BOUNDS.memory_mb.default,
      }),
    ),
    disk_mb: Type.Optional(
      Type.Integer({
        ...DiskMb("Size of the disk in MiB, sparse. A snapshot fixes it: another value is an error."),
        default: BOUNDS.disk_mb.default,
      }),
    ),
    timeout_sec: Type.Optional(
      Type.Integer({
        ...TimeoutSec("Seconds without activity after which `on_timeout` happens; 0 = never."),
        default: BOUNDS.timeout_sec.default,
      }),
    ),
    on_timeout: Type.Optional(
      OnTimeout("What the time-out does. Default: `pause` where the host can, else `destroy`."),
    ),
    metadata: Type.Optional(Metadata("Labels of your own, to filter lists by.")),
    envs: Type.Optional(Envs("Environment variables of every process in the sandbox.")),
    start: Type.Optional(
      Type.Enum(["clone", "cold"], {
        type: "string",
        description:
          "`clone`: from the template's memory snapshot where there is one. `cold`: always boots the kernel.",
        examples: ["cold"],
      }),
    ),
    min_isolation: Type.Optional(
      Isolation("The weakest isolation that will do. `kvm` refuses hosts that can only emulate."),
    ),
  },
  {
    $id: "CreateSandboxRequest",
    additionalProperties: false,
    description: "What to make. Everything has a default.",
    examples: [{}, { template: "minimal", vcpus: 2, memory_mb: 1024, metadata: { owner: "build-42" } }],
  },
);
export type CreateSandboxRequest = Static<typeof CreateSandboxRequest>;

export const ListSandboxesQuery = Type.Object(
  {
    status: Type.Optional(Status("Only sandboxes in this status.")),
    template: Type.Optional(Name("Only sandboxes of this template.")),
    limit: Type.Optional(Limit()),
    next_token: Type.Optional(NextToken()),
  },
  {
    additionalProperties: false,
    patternProperties: {
      "^metadata\\..": Type.String({
        description: "`metadata.<key>=<value>`: only sandboxes with this label.",
        examples: ["build-42"],
      }),
    },
    examples: [{ status: "running" }, { "metadata.owner": "build-42", limit: 20 }],
  },
);
/** Filters of a list of sandboxes; `metadata.<key>` keys are allowed beside the named ones. */
export type ListSandboxesQuery = Static<typeof ListSandboxesQuery> & { [key: `metadata.${string}`]: string };

export const ForkRequest = Type.Object(
  {
    count: Type.Optional(
      Type.Integer({
        minimum: BOUNDS.fork_count.min,
        maximum: BOUNDS.fork_count.max,
        default: BOUNDS.fork_count.default,
        description: "How many copies. All are made, or none.",
        examples: [1],
      }),
    ),
    metadata: Type.Optional(Metadata("Labels of the copies. Default: those of the source.")),
  },
  {
    $id: "ForkRequest",
    additionalProperties: false,
    description: "How many copies of a running sandbox to make.",
    examples: [{}, { count: 4 }],
  },
);
export type ForkRequest = Static<typeof ForkRequest>;

export const ResumeRequest = Type.Object(
  {
    start: Type.Optional(
      Type.Enum(["cold"], {
        type: "string",
        description:
          "`cold`: boots from the saved disk and gives the saved memory up. Default: goes on where it was.",
        examples: ["cold"],
      }),
    ),
  },
  {
    $id: "ResumeRequest",
    additionalProperties: false,
    description: "How to continue. The body may be left out.",
    examples: [{}, { start: "cold" }],
  },
);
export type ResumeRequest = Static<typeof ResumeRequest>;

export const RestoreRequest = Type.Object(
  { snapshot: Name("Snapshot or base template to go back to.", "template-1a2b3c4d") },
  {
    $id: "RestoreRequest",
    additionalProperties: false,
    description: "Where to roll back to.",
    examples: [{ snapshot: "template-1a2b3c4d" }],
  },
);
export type RestoreRequest = Static<typeof RestoreRequest>;

/** The body of an action that takes no arguments: absent, or an empty object. */
export const EmptyRequest = Type.Object(
  {},
  {
    $id: "EmptyRequest",
    additionalProperties: false,
    description: "No arguments. The body may be left out.",
    examples: [{}],
  },
);
export type EmptyRequest = Static<typeof EmptyRequest>;
